//! Texts of /proc, of which the process makes a part: this process's own, damaged.

use std::fs;

use grtmon::target::every_text::Text;

use crate::damage::damage;
use crate::fuzz;

/// A text as the kernel makes it, with all that can be in it.
fn whole(text: Text) -> Vec<u8> {
    let own = |name: &str| fs::read(format!("/proc/self/{name}")).unwrap();
    let with = |text: Vec<u8>, more: &str| [text, more.as_bytes().to_vec()].concat();
    match text {
        Text::Maps => own("maps"),
        Text::Mounts => with(
            own("mountinfo"),
            "33 21 0:40 / /home/u/my\\040app rw,nosuid - fuse.squashfuse squashfuse rw,user_id=1000,group_id=1000\n\
             23 28 0:21 / /proc rw,nosuid shared:5 - proc proc rw,gid=4,hidepid=invisible\n",
        ),
        Text::Status => with(
            own("status"),
            "NSpid:\t4242\t17\t1\nTracerPid:\t17\nState:\tt (tracing stop)\n",
        ),
        Text::ControlGroup => {
            format!("12:cpu:/docker/{}\n0::/\n", "0123456789abcdef".repeat(4)).into()
        }
        Text::CommandLine => own("cmdline"),
        Text::ClockOffsets => {
            b"monotonic       -3600         5\nboottime          86400         0\n".to_vec()
        }
        Text::Users => b"root:x:0:0:root:/root:/bin/sh\nu:x:1000:1000::/home/u:\n".to_vec(),
    }
}

#[test]
fn proc_texts() {
    let texts = Text::ALL.map(|text| (text, whole(text)));
    for (text, whole) in &texts {
        assert!(text.try_on(whole), "{text:?}");
    }
    let digits = b"0123456789abcdef- :\n\t\\/,=";
    let (tried, well) = fuzz("proc_texts", 16 << 20, |random| {
        let (text, whole) = random.of(&texts);
        let mut bytes = whole.clone();
        // Most of what counts are digits and what stands between them.
        for _ in 0..random.below(16) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 if at < bytes.len() => drop(bytes.remove(at)),
                1 => bytes.insert(at, *random.of(digits)),
                2 => {
                    let number = random.odd().to_string();
                    bytes.splice(at..at, number.bytes());
                }
                _ if at < bytes.len() => bytes[at] = *random.of(digits),
                _ => {}
            }
        }
        if random.below(4) == 0 {
            damage(&mut bytes, &[], random);
        }
        text.try_on(&bytes)
    });
    assert!(
        well > tried / 8 && well < tried,
        "{well} of {tried} said anything"
    );
}
