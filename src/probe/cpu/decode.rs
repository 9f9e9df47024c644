//! Records of `src/bpf/cpu.h`, as samples.

use crate::bpf::cpu::types::cpu_chain_kind;
use crate::bpf::cpu::types::cpu_on;
use crate::bpf::cpu::types::cpu_record;
use crate::bpf::cpu::types::cpu_sample;
use crate::model::cpu::CpuSample;
use crate::model::cpu::FrameRecord;
use crate::model::cpu::LabelsSeen;
use crate::model::cpu::On;
use crate::model::cpu::StackPiece;

/// `None`: it is none.
pub(super) fn decode(bytes: &[u8]) -> Option<CpuSample> {
    // Only the frame records that there are have been sent.
    let mut whole = [0; size_of::<cpu_sample>()];
    whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
    let mut raw = cpu_sample::default();
    plain::copy_from_bytes(&mut raw, &whole).ok()?;
    let known = |value: u64| (value != 0).then_some(value);
    let index = |count: u32| usize::try_from(count).ok();
    let here = index(raw.records)?;
    let all = here.checked_add(index(raw.other_records)?)?;
    let sent = size_of_val(raw.record.get(..all)?);
    if bytes.len() != size_of::<cpu_sample>() - size_of_val(&raw.record) + sent {
        return None;
    }
    let record = |record: &cpu_record| FrameRecord {
        at: record.at,
        back: record.back,
    };
    let chain = |records: &[cpu_record]| records.iter().map(record).collect();
    let is_whole = |kind: u32| match cpu_chain_kind(kind) {
        cpu_chain_kind::CPU_CHAIN_WHOLE => Some(true),
        cpu_chain_kind::CPU_CHAIN_BROKEN | cpu_chain_kind::CPU_CHAIN_FOUND => Some(false),
        _ => None,
    };
    let on = match cpu_on(raw.on) {
        cpu_on::CPU_ON_UNKNOWN => On::Unknown,
        cpu_on::CPU_ON_GOROUTINE => On::Goroutine,
        cpu_on::CPU_ON_SCHEDULER => On::Scheduler,
        cpu_on::CPU_ON_SIGNAL => On::Signal,
        _ => return None,
    };
    Some(CpuSample {
        time_ns: raw.time_ns,
        process: raw.process,
        thread: raw.thread,
        cpu: raw.cpu,
        on,
        goid: known(raw.goid),
        start_pc: known(raw.start_pc),
        labels: known(raw.labels).map(|pointer| LabelsSeen {
            pointer,
            cycles: raw.cycles as u32,
        }),
        here: StackPiece {
            pc: raw.pc,
            sp: raw.sp,
            lr: raw.lr,
            top: raw.top.get(..index(raw.top_words)?)?.to_vec(),
            records: chain(raw.record.get(..here)?),
            is_whole: is_whole(raw.chain)?,
        },
        left: StackPiece {
            pc: raw.other_pc,
            sp: raw.other_sp,
            lr: raw.other_lr,
            top: raw.other_top.get(..index(raw.other_words)?)?.to_vec(),
            records: chain(raw.record.get(here..all)?),
            is_whole: is_whole(raw.other_chain)?,
        },
        is_outside: raw.other_waits != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: usize = size_of::<cpu_sample>() - 254 * size_of::<cpu_record>();

    fn bytes(records: u64, sent: usize) -> Vec<u8> {
        let mut bytes = vec![0; HEAD + 16 * sent];
        let at = std::mem::offset_of!(cpu_sample, records);
        bytes[at..at + 4].copy_from_slice(&(records as u32).to_ne_bytes());
        for (number, byte) in bytes[HEAD..].iter_mut().enumerate() {
            *byte = number as u8;
        }
        bytes
    }

    #[test]
    fn a_sample_has_as_many_records_as_it_says() {
        let sample = decode(&bytes(2, 2)).unwrap();
        assert_eq!(sample.here.records.len(), 2);
        assert_eq!(
            sample.here.records[1].at,
            u64::from_ne_bytes([16, 17, 18, 19, 20, 21, 22, 23])
        );
        assert!(sample.left.records.is_empty() && sample.goid.is_none());
        assert_eq!(decode(&bytes(2, 3)), None);
        assert_eq!(decode(&bytes(3, 2)), None);
        assert_eq!(decode(&bytes(255, 254)), None);
        assert_eq!(decode(&[]), None);
    }
}
