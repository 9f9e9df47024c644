//! Where grtmon's own code lies in its file.

use anyhow::Context;
use anyhow::Result;
use procfs::process::MMapPath;
use procfs::process::Process;

/// The offset in our executable of the code at this address.
pub fn file_offset(address: u64) -> Result<u64> {
    let maps = Process::myself()?.maps()?;
    let map = maps
        .iter()
        .find(|map| map.address.0 <= address && address < map.address.1)
        .filter(|map| matches!(map.pathname, MMapPath::Path(_)))
        .context("it is in no file")?;
    Ok(address - map.address.0 + map.offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_from_a_file_has_an_offset() {
        let function = only_code_from_a_file_has_an_offset as fn() as usize as u64;
        assert!(file_offset(function).is_ok());
        assert!(file_offset(8).is_err());
    }
}
