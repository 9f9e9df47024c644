//! Labels of goroutines (`pprof.Do`, runtime/pprof/label.go), read from memory.
//!
//! `g.labels` leads to a set of labels. A set never changes once it is made, but when no goroutine bears it any more the
//! collector frees it, and something else comes to lie there. Whoever saw the pointer at some moment and reads later must
//! know that nothing was freed meanwhile. An object that can be reached at a moment outlives the collection under way; what
//! frees it is a collection that begins later. The runtime counts those that have begun (`work.cycles`, with the world
//! stopped, before anything is marked; `gcStart`, runtime/mgc.go): if the count was read before the pointer, and is the same
//! when the set has been read, then this is the set.

use std::collections::HashMap;
use std::sync::Arc;

use crate::go::ReadMemory;
use crate::go::binary::Binary;
use crate::go::layout::Field;
use crate::go::memory::MemoryError;
use crate::go::process::runtime_info::ProcessView;
use crate::go::versions::labels_are_a_list;
use crate::model::cpu::LabelsSeen;

/// Labels by their keys.
pub type LabelSet = Vec<(String, String)>;

/// More labels are no set of them: libraries keep other things in their place.
const MOST: u64 = 64;
/// Bytes of a key or a value.
const LONGEST: usize = 1 << 14;
/// Sets that are remembered.
const REMEMBERED: usize = 1 << 14;

/// How a set lies in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A slice of pairs of strings.
    List,
    /// A map of strings, by hashing.
    Map,
}

/// Reads sets of labels of one process.
#[derive(Debug)]
pub struct LabelSets {
    form: Form,
    /// Run-time address of the count of collections.
    cycles: u64,
    known: HashMap<LabelsSeen, Option<Arc<LabelSet>>>,
}

impl LabelSets {
    /// Of a process that runs the binary. `None`: where they are, or how they lie in memory, is not known of this version.
    pub fn of(binary: &Binary, process: &ProcessView<'_>) -> Option<Self> {
        let layout = &process.runtime_info.layout;
        layout.require_checked(Field::GLabels).ok()?;
        Some(Self {
            form: form(binary)?,
            cycles: cycles(process)?,
            known: HashMap::new(),
        })
    }

    /// Why there is none for a binary in which the count is part of the variable at `work`.
    pub fn obstacle(binary: &Binary, work: Option<u64>) -> Option<String> {
        if form(binary).is_none() {
            return Some("how they lie in memory differs between versions of Go".to_owned());
        }
        work.is_none()
            .then(|| "the variable runtime.work was not found in the binary".to_owned())
    }

    /// How many collections have begun.
    pub fn begun(&self, memory: &dyn ReadMemory) -> Option<u32> {
        memory.u32(self.cycles).ok()
    }

    /// Whether it is known already what became of it.
    pub fn has(&self, seen: LabelsSeen) -> bool {
        self.known.contains_key(&seen)
    }

    /// The set. `None`: it may have been freed before it could be read, or it is none.
    pub fn read(&mut self, memory: &dyn ReadMemory, seen: LabelsSeen) -> Option<Arc<LabelSet>> {
        // Within one collection the same pointer is the same set.
        if let Some(known) = self.known.get(&seen) {
            return known.clone();
        }
        let set = self.set(memory, seen.pointer).ok().flatten();
        let is_same = self.begun(memory) == Some(seen.cycles);
        let set = set.filter(|_| is_same).map(Arc::new);
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(seen, set.clone());
        set
    }

    fn set(&self, memory: &dyn ReadMemory, pointer: u64) -> Result<Option<LabelSet>, MemoryError> {
        let set = match self.form {
            Form::List => list(memory, pointer)?,
            Form::Map => map(memory, pointer)?,
        };
        Ok(set.map(|mut set| {
            set.sort_unstable();
            set
        }))
    }
}

/// Where the process counts its garbage collections, by its run-time address.
pub fn cycles(process: &ProcessView<'_>) -> Option<u64> {
    let known = process.runtime_info;
    let offset = known.layout.require_checked(Field::WorkCycles).ok()?;
    let work = known.globals.work?.wrapping_add(process.bias);
    Some(work.wrapping_add(offset.into()))
}

fn form(binary: &Binary) -> Option<Form> {
    let versions = binary.version_range();
    let oldest = labels_are_a_list(versions.oldest);
    let newest = labels_are_a_list(versions.newest.unwrap_or(u16::MAX));
    let form = match oldest {
        true => Form::List,
        false => Form::Map,
    };
    (oldest == newest).then_some(form)
}

/// `LabelSet{list []label}`, `label{key, value string}`: since Go 1.24.
fn list(memory: &dyn ReadMemory, pointer: u64) -> Result<Option<LabelSet>, MemoryError> {
    let slice = memory.slice_header(pointer)?;
    if !slice.is_plausible() || slice.len > MOST {
        return Ok(None);
    }
    let mut set = LabelSet::new();
    for words in memory
        .words(slice.ptr, 4 * slice.len, usize::MAX)?
        .chunks(4)
    {
        let [key, key_len, value, value_len] = *words else {
            return Ok(None);
        };
        let (Some(key), Some(value)) =
            (text(memory, key, key_len)?, text(memory, value, value_len)?)
        else {
            return Ok(None);
        };
        set.push((key, value));
    }
    Ok(Some(set))
}

/// Bytes of a bucket: eight marks, eight keys, eight values, and the bucket behind it (`bmap`, runtime/map.go).
const BUCKET: u64 = 8 + 8 * 16 + 8 * 16 + 8;
/// The least mark of an entry that is there (`minTopHash`).
const FULL: u8 = 5;

/// `map[string]string`, by a pointer to the variable: up to Go 1.23 (`hmap`, runtime/map.go).
fn map(memory: &dyn ReadMemory, pointer: u64) -> Result<Option<LabelSet>, MemoryError> {
    let header = memory.u64(pointer)?;
    if header == 0 {
        return Ok(Some(LabelSet::new()));
    }
    let count = memory.u64(header)?;
    let (flags, size) = (
        memory.u8(header.wrapping_add(8))?,
        memory.u8(header.wrapping_add(9))?,
    );
    if count > MOST || size > 6 {
        return Ok(None);
    }
    let (buckets, old) = (
        memory.u64(header.wrapping_add(16))?,
        memory.u64(header.wrapping_add(24))?,
    );
    // What has not yet been moved to the larger array is still in the smaller one; `sameSizeGrow` is 8.
    let old_size = match flags & 8 {
        0 => size.saturating_sub(1),
        _ => size,
    };
    let mut set = LabelSet::new();
    // Buckets that are behind others: no more than there are entries, wherever they lead.
    let mut behind = 0;
    for (array, size) in [(buckets, size), (old, old_size)] {
        for number in (0..1u64 << size).take_while(|_| array != 0) {
            let mut bucket = array.wrapping_add(number * BUCKET);
            loop {
                if !entries(memory, bucket, &mut set)? || set.len() as u64 > count {
                    return Ok(None);
                }
                bucket = memory.u64(bucket.wrapping_add(BUCKET - 8))?;
                if bucket == 0 {
                    break;
                }
                behind += 1;
                if behind > MOST {
                    return Ok(None);
                }
            }
        }
    }
    Ok((set.len() as u64 == count).then_some(set))
}

/// Adds what is in a bucket. `false`: it is none.
fn entries(memory: &dyn ReadMemory, bucket: u64, set: &mut LabelSet) -> Result<bool, MemoryError> {
    let marks = memory.bytes(bucket, 8, 8)?;
    for (number, _) in (0..).zip(marks).filter(|(_, mark)| *mark >= FULL) {
        let string = |at: u64| -> Result<Option<String>, MemoryError> {
            let (data, len) = (memory.u64(at)?, memory.u64(at.wrapping_add(8))?);
            text(memory, data, len)
        };
        let key = string(bucket.wrapping_add(8 + 16 * number))?;
        let value = string(bucket.wrapping_add(8 + 128 + 16 * number))?;
        let (Some(key), Some(value)) = (key, value) else {
            return Ok(false);
        };
        set.push((key, value));
    }
    Ok(true)
}

/// A string, if it is text and not too long.
fn text(memory: &dyn ReadMemory, data: u64, len: u64) -> Result<Option<String>, MemoryError> {
    match usize::try_from(len) {
        Ok(0) => Ok(Some(String::new())),
        Ok(wanted) if wanted <= LONGEST => {
            Ok(String::from_utf8(memory.bytes(data, len, LONGEST)?).ok())
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::memory_image::MemoryImage;

    const CYCLES: u64 = 0x1000;
    const SET: u64 = 0x2000;
    const WORDS: u64 = 0x3000;

    fn sets(form: Form) -> LabelSets {
        LabelSets {
            form,
            cycles: CYCLES,
            known: HashMap::new(),
        }
    }

    fn put(image: &mut MemoryImage, at: u64, words: &[u64]) {
        let bytes = words.iter().flat_map(|it| it.to_le_bytes()).collect();
        image.map(at, bytes);
    }

    /// The set {"a": "bc"}, when seven collections have begun.
    fn image() -> MemoryImage {
        let mut image = MemoryImage::new();
        put(&mut image, CYCLES, &[7]);
        put(&mut image, SET, &[0x4000, 1, 1]);
        put(&mut image, 0x4000, &[WORDS, 1, WORDS + 1, 2]);
        image.map(WORDS, b"abc".to_vec());
        image
    }

    fn seen(cycles: u32) -> LabelsSeen {
        LabelsSeen {
            pointer: SET,
            cycles,
        }
    }

    fn wanted() -> LabelSet {
        vec![("a".to_owned(), "bc".to_owned())]
    }

    #[test]
    fn what_may_have_been_freed_is_not_known() {
        let mut sets = sets(Form::List);
        assert_eq!(sets.read(&image(), seen(6)), None);
        assert_eq!(sets.read(&image(), seen(9)), None);
        let read = sets.read(&image(), seen(7));
        assert_eq!(*read.unwrap(), wanted());
        // Of the same pointer in the same collection it is known; in another one it is not.
        let mut later = image();
        later.write_u64(CYCLES, 8);
        later.write_u64(SET + 8, 0);
        let read = sets.read(&later, seen(7));
        assert_eq!(*read.unwrap(), wanted());
        assert!(sets.read(&later, seen(8)).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_set_is_none() {
        for (at, word) in [
            (SET, 0x9999),
            (SET + 8, 2),
            (SET + 8, u64::MAX),
            (0x4008, 1 << 40),
            (0x4010, 0),
        ] {
            let mut image = image();
            image.write_u64(at, word);
            assert_eq!(
                sets(Form::List).read(&image, seen(7)),
                None,
                "{at:x} {word:x}"
            );
        }
        let mut image = image();
        image.write(WORDS, b"\xff");
        assert_eq!(sets(Form::List).read(&image, seen(7)), None);
    }

    #[test]
    fn a_map_that_is_just_growing_is_whole() {
        let bucket = |marks: u64| {
            let mut words = vec![marks];
            words.extend([0; 33]);
            words
        };
        let (header, new, old) = (0x5000, 0x6000, 0x7000);
        let mut image = image();
        image.write_u64(SET, header);
        // Of two entries one has been moved to the second of two buckets; in the old one its mark says so.
        let of = |count: u64| [count, 1 << 8, new, old];
        put(&mut image, header, &of(2));
        let mut second = bucket(9);
        (second[1], second[2]) = (WORDS, 1);
        (second[17], second[18]) = (WORDS + 1, 2);
        put(&mut image, new, &[bucket(0), second].concat());
        let mut only = bucket(0x03 | 9 << 8);
        (only[3], only[4]) = (WORDS + 2, 1);
        put(&mut image, old, &only);
        let read = sets(Form::Map).read(&image, seen(7)).unwrap();
        let both = [("a", "bc"), ("c", "")];
        let both = both.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(*read, both);
        put(&mut image, header, &of(3));
        assert_eq!(sets(Form::Map).read(&image, seen(7)), None);
        // One that goes in a circle has no end, and nobody waits for it.
        let mut circle = bucket(0);
        circle[33] = new;
        put(&mut image, new, &[circle, bucket(0)].concat());
        assert_eq!(sets(Form::Map).read(&image, seen(7)), None);
    }
}
