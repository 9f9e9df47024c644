//! What we may do with this kernel: capabilities, namespaces, and the settings that take rights away.

use std::fs;

use crate::model::report::Section;
use crate::target::namespace;
use crate::target::proc_mount;

/// Capabilities by number (include/uapi/linux/capability.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// Read other users' memory and /proc entries.
    SysPtrace = 19,
    /// The old right to everything.
    SysAdmin = 21,
    /// Attach tracing programs.
    Perfmon = 38,
    /// Load BPF programs.
    Bpf = 39,
}

/// What the kernel keeps even from root (Documentation/admin-guide/kernel-parameters.txt, `lockdown=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lockdown {
    /// Nothing, or there is no such thing.
    None,
    /// What could change the kernel.
    Integrity,
    /// What could tell of its memory: BPF programs may read none at all.
    Confidentiality,
}

/// Our rights, and what limits them.
#[derive(Debug, Clone)]
pub struct Rights {
    /// Effective capabilities, one bit each.
    capabilities: u64,
    /// Capabilities count only within a user namespace of our own.
    in_user_namespace: bool,
    /// Processes have other numbers than the kernel's own.
    in_pid_namespace: bool,
    /// A seccomp filter watches our system calls.
    filtered: bool,
    /// /proc does not show other users' processes.
    hidden: bool,
    lockdown: Lockdown,
    /// Settings of the kernel; `None` where it has no such thing.
    perf_event_paranoid: Option<i32>,
    unprivileged_bpf_disabled: Option<i32>,
    yama: Option<i32>,
}

impl Rights {
    /// Ours, by what is in /proc/self/status and /proc/sys.
    pub(super) fn of(status: &str) -> Option<Self> {
        Some(Self {
            capabilities: u64::from_str_radix(field(status, "CapEff:")?, 16).ok()?,
            in_user_namespace: namespace::in_user_namespace(),
            in_pid_namespace: namespace::PidNamespace::own().is_some(),
            filtered: field(status, "Seccomp:") == Some("2"),
            hidden: proc_mount::hides_processes(),
            lockdown: lockdown(
                &fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default(),
            ),
            perf_event_paranoid: setting("kernel/perf_event_paranoid"),
            unprivileged_bpf_disabled: setting("kernel/unprivileged_bpf_disabled"),
            yama: setting("kernel/yama/ptrace_scope"),
        })
    }

    /// Whether we hold a capability.
    pub fn may(&self, capability: Capability) -> bool {
        self.capabilities & (1 << capability as u32) != 0
    }

    /// Why probes cannot be used by us, if they cannot. `bpf_is_enough`: this kernel attaches them without CAP_SYS_ADMIN.
    pub(super) fn obstacle(&self, release: &str, bpf_is_enough: bool) -> Option<String> {
        if self.in_user_namespace {
            return Some(
                "grtmon runs in a user namespace (a rootless container has one), where capabilities do not count for probes: run it outside of that namespace"
                    .to_owned(),
            );
        }
        if self.may(Capability::SysAdmin) {
            return None;
        }
        let missing: Vec<&str> = [
            (Capability::Bpf, "CAP_BPF"),
            (Capability::Perfmon, "CAP_PERFMON"),
        ]
        .into_iter()
        .filter(|(capability, _)| !self.may(*capability))
        .map(|(_, name)| name)
        .collect();
        if !missing.is_empty() {
            return Some(format!(
                "missing {}: run as root, or grant it with: sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace+ep {}",
                missing.join(" and "),
                our_path()
            ));
        }
        if !bpf_is_enough {
            return Some(format!(
                "missing CAP_SYS_ADMIN, which Linux {release} needs for probes (from 6.6 on CAP_BPF and CAP_PERFMON do): run as root"
            ));
        }
        None
    }

    /// What to say when the kernel refused although there is no obstacle that we know.
    pub(super) fn unexplained(&self) -> &'static str {
        if self.filtered {
            "the kernel refused although the capabilities are there: a seccomp filter, as containers have it, may forbid bpf and perf_event_open; start the container with --security-opt seccomp=unconfined"
        } else {
            "the kernel refused although the capabilities are there: a security module (AppArmor, SELinux) may forbid it, or its verifier does not accept a program (--verbose shows what it says)"
        }
    }

    /// All of it, for people.
    pub fn describe(&self, bpf_is_enough: bool) -> Section {
        let mut section = Section::new("Privileges");
        let mut capability = |name: &str, capability, lack: &str, needed: bool| {
            if self.may(capability) {
                section.fine(name, "yes");
            } else if needed {
                section.lacking(name, format!("no: {lack}"));
            } else {
                section.fine(name, format!("no: {lack}"));
            }
        };
        let all = self.may(Capability::SysAdmin);
        capability("CAP_BPF", Capability::Bpf, "loads probes", !all);
        capability("CAP_PERFMON", Capability::Perfmon, "attaches probes", !all);
        capability(
            "CAP_SYS_PTRACE",
            Capability::SysPtrace,
            "only processes of one's own user can be looked at",
            true,
        );
        capability(
            "CAP_SYS_ADMIN",
            Capability::SysAdmin,
            if bpf_is_enough {
                "not needed here; the run time of probes is not measured without it"
            } else {
                "attaches probes on this kernel"
            },
            !bpf_is_enough,
        );
        self.describe_namespaces(&mut section);
        self.describe_settings(&mut section);
        section
    }

    fn describe_namespaces(&self, section: &mut Section) {
        if self.in_user_namespace {
            section.lacking(
                "user namespace",
                "not the machine's own: capabilities do not count for probes",
            );
        } else {
            section.fine("user namespace", "the machine's own");
        }
        section.fine(
            "PID namespace",
            if self.in_pid_namespace {
                "not the machine's own: processes are known by their numbers in it, those outside of it have none"
            } else {
                "the machine's own"
            },
        );
        if self.hidden {
            section.lacking(
                "/proc",
                "mounted with hidepid: without CAP_SYS_PTRACE other users' processes are not there",
            );
        }
    }

    fn describe_settings(&self, section: &mut Section) {
        if let Some(value) = self.perf_event_paranoid {
            let perfmon = self.may(Capability::Perfmon) || self.may(Capability::SysAdmin);
            section.fine(
                "perf_event_paranoid",
                match (perfmon, value) {
                    (true, _) => format!("{value}: does not concern who has CAP_PERFMON"),
                    (false, ..=2) => format!("{value}: probes need CAP_PERFMON whatever it is"),
                    (false, _) => format!("{value}: no perf events without CAP_PERFMON"),
                },
            );
        }
        if let Some(value) = self.unprivileged_bpf_disabled {
            section.fine(
                "unprivileged_bpf_disabled",
                format!("{value}: probes need CAP_BPF whatever it is"),
            );
        }
        self.describe_yama(section);
        match self.lockdown {
            Lockdown::None => section.fine("lockdown", "none"),
            Lockdown::Integrity => section.fine("lockdown", "integrity: grtmon can do all it does"),
            Lockdown::Confidentiality => section.lacking(
                "lockdown",
                "lockdown=confidentiality: no BPF program may read memory; of the probes only gm's work",
            ),
        }
        if self.filtered {
            section.fine(
                "seccomp",
                "a filter watches grtmon's system calls: what it forbids is said when it is needed",
            );
        }
    }

    fn describe_yama(&self, section: &mut Section) {
        let may = self.may(Capability::SysPtrace);
        const NAME: &str = "yama.ptrace_scope";
        match self.yama {
            None => section.fine(NAME, "there is no Yama here"),
            Some(0) => section.fine(NAME, "0: forbids nothing"),
            Some(value @ (1 | 2)) if may => {
                section.fine(
                    NAME,
                    format!("{value}: does not concern who has CAP_SYS_PTRACE"),
                );
            }
            Some(1) => section.lacking(
                NAME,
                "1: without CAP_SYS_PTRACE only one's own children (-- COMMAND) can be read",
            ),
            Some(2) => section.lacking(NAME, "2: no process can be read without CAP_SYS_PTRACE"),
            Some(value) => section.lacking(
                NAME,
                format!("{value}: nobody can read a process until the next boot; probes work"),
            ),
        }
    }
}

/// The value of a line of /proc/PID/status.
fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim())
}

/// A number in /proc/sys.
fn setting(name: &str) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/sys/{name}")).ok()?;
    text.trim().parse().ok()
}

/// The mode in brackets: `none [integrity] confidentiality`.
fn lockdown(text: &str) -> Lockdown {
    if text.contains("[integrity]") {
        Lockdown::Integrity
    } else if text.contains("[confidentiality]") {
        Lockdown::Confidentiality
    } else {
        Lockdown::None
    }
}

fn our_path() -> String {
    std::env::current_exe().map_or_else(|_| "grtmon".to_owned(), |path| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Rights = Rights {
        capabilities: 0,
        in_user_namespace: false,
        in_pid_namespace: false,
        filtered: false,
        hidden: false,
        lockdown: Lockdown::None,
        perf_event_paranoid: Some(2),
        unprivileged_bpf_disabled: Some(2),
        yama: None,
    };

    fn with(capabilities: &[Capability]) -> Rights {
        let bits = capabilities.iter().map(|it| 1_u64 << *it as u32);
        Rights {
            capabilities: bits.sum(),
            ..NOTHING
        }
    }

    fn obstacle(rights: &Rights, bpf_is_enough: bool) -> String {
        rights.obstacle("6.1.0", bpf_is_enough).unwrap()
    }

    #[test]
    fn what_is_missing_is_named() {
        let both = obstacle(&NOTHING, true);
        assert!(
            both.contains("CAP_BPF and CAP_PERFMON") && both.contains("setcap"),
            "{both}"
        );
        let one = obstacle(&with(&[Capability::Bpf]), true);
        assert!(one.contains("missing CAP_PERFMON:"), "{one}");
        let other = obstacle(&with(&[Capability::Perfmon]), true);
        assert!(other.contains("missing CAP_BPF:"), "{other}");
    }

    #[test]
    fn two_capabilities_are_enough_from_6_6_on() {
        let rights = with(&[Capability::Bpf, Capability::Perfmon]);
        assert_eq!(rights.obstacle("6.6.0", true), None);
        let old = obstacle(&rights, false);
        assert!(
            old.contains("CAP_SYS_ADMIN") && old.contains("6.1.0"),
            "{old}"
        );
        assert_eq!(with(&[Capability::SysAdmin]).obstacle("6.1.0", false), None);
    }

    #[test]
    fn what_no_capability_helps_against_is_said_first() {
        let all = Rights {
            capabilities: u64::MAX,
            ..NOTHING
        };
        assert_eq!(all.obstacle("6.18", true), None);
        let confined = Rights {
            in_user_namespace: true,
            ..all.clone()
        };
        assert!(obstacle(&confined, true).contains("user namespace"));
        let filtered = Rights {
            filtered: true,
            ..all.clone()
        };
        assert!(filtered.unexplained().contains("seccomp"));
        assert!(all.unexplained().contains("security module"));
    }

    #[test]
    fn each_setting_has_its_sentence() {
        let said = |rights: &Rights, name: &str| {
            let section = rights.describe(true);
            let fact = section.facts.iter().find(|fact| fact.name == name);
            fact.map(|fact| fact.found.join(" ")).unwrap_or_default()
        };
        let yama = |value, rights: &Rights| {
            let rights = Rights {
                yama: Some(value),
                ..rights.clone()
            };
            said(&rights, "yama.ptrace_scope")
        };
        assert!(yama(0, &NOTHING).contains("nothing"));
        assert!(yama(1, &NOTHING).contains("children"));
        assert!(yama(2, &NOTHING).contains("CAP_SYS_PTRACE"));
        assert!(yama(1, &with(&[Capability::SysPtrace])).contains("does not concern"));
        assert!(yama(3, &with(&[Capability::SysPtrace])).contains("next boot"));
        assert!(said(&NOTHING, "perf_event_paranoid").contains("CAP_PERFMON"));
        assert!(said(&NOTHING, "unprivileged_bpf_disabled").contains("CAP_BPF"));
        let locked = |lockdown| Rights {
            lockdown,
            ..NOTHING
        };
        assert_eq!(said(&NOTHING, "lockdown"), "none");
        assert!(said(&locked(Lockdown::Integrity), "lockdown").contains("integrity"));
        assert!(said(&locked(Lockdown::Confidentiality), "lockdown").contains("only gm's"));
        let hidden = Rights {
            hidden: true,
            ..NOTHING
        };
        assert!(said(&hidden, "/proc").contains("hidepid"));
    }

    #[test]
    fn the_kernels_own_words_are_understood() {
        assert_eq!(
            lockdown("[none] integrity confidentiality\n"),
            Lockdown::None
        );
        assert_eq!(
            lockdown("none [integrity] confidentiality\n"),
            Lockdown::Integrity
        );
        assert_eq!(
            lockdown("none integrity [confidentiality]\n"),
            Lockdown::Confidentiality
        );
        let status = "Name:\tx\nSeccomp:\t2\nCapEff:\t000000c000080000\n";
        let rights = Rights::of(status).unwrap();
        assert!(rights.may(Capability::Bpf) && rights.may(Capability::Perfmon));
        assert!(rights.may(Capability::SysPtrace) && !rights.may(Capability::SysAdmin));
        assert!(rights.filtered);
    }
}
