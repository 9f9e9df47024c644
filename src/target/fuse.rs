//! Files on a mount of FUSE, which only the user may read who has mounted it: not even root
//! (Documentation/filesystems/fuse.rst, "allow_other"). AppImages, sshfs and squashfuse make such mounts.

use std::fs;
use std::path::Path;

use nix::unistd::geteuid;

use super::texts;

/// A mount that is closed to all but one user.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Closed {
    place: String,
    kind: String,
    user: u32,
}

/// Why the program of a process may not be read, if that is because it lies on such a mount.
pub(super) fn obstacle_of_process(pid: i32) -> Option<String> {
    let path = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    obstacle(&path, &format!("/proc/{pid}/mountinfo"))
}

/// Why a file may not be read, if that is because it lies on such a mount.
pub(super) fn obstacle_of_file(path: &Path) -> Option<String> {
    let path = std::path::absolute(path).ok()?;
    obstacle(&path, "/proc/self/mountinfo")
}

fn obstacle(path: &Path, mounts: &str) -> Option<String> {
    let mounts = texts::read(mounts).ok()?;
    let mount = closed(&mounts, path).filter(|mount| mount.user != geteuid().as_raw())?;
    Some(format!(
        "its program lies on a FUSE mount of user {} ({} at {}), which only that user may read: run as that user, or mount with allow_other",
        mount.user, mount.kind, mount.place
    ))
}

/// Whether a file lies on such a mount.
pub(super) fn is_on_closed_mount(mounts: &str, path: &Path) -> bool {
    closed(mounts, path).is_some()
}

/// The mount that a file lies on, if it is closed (proc(5), /proc/PID/mountinfo).
fn closed(mounts: &str, path: &Path) -> Option<Closed> {
    let mut best: Option<(usize, Option<Closed>)> = None;
    for line in mounts.lines() {
        let Some((head, tail)) = line.split_once(" - ") else {
            continue;
        };
        let Some(place) = head.split(' ').nth(4).map(plain) else {
            continue;
        };
        // Of mounts at one place the last is on top.
        let hides = best.as_ref().is_none_or(|(len, _)| place.len() >= *len);
        if !path.starts_with(&place) || !hides {
            continue;
        }
        let mut words = tail.split(' ');
        let kind = words.next().unwrap_or_default();
        let options: Vec<&str> = words.nth(1).unwrap_or_default().split(',').collect();
        let user = options.iter().find_map(|it| it.strip_prefix("user_id="));
        let is_fuse = kind == "fuse" || kind == "fuseblk" || kind.starts_with("fuse.");
        let closed = is_fuse && !options.contains(&"allow_other");
        let found = user.filter(|_| closed).and_then(|user| {
            Some(Closed {
                place: place.clone(),
                kind: kind.to_owned(),
                user: user.parse().ok()?,
            })
        });
        best = Some((place.len(), found));
    }
    best?.1
}

/// A path without the escapes for space, tab, newline and backslash.
fn plain(place: &str) -> String {
    let escapes = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    let escapes = escapes.into_iter();
    escapes.fold(place.to_owned(), |place, (code, c)| place.replace(code, c))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
33 21 0:40 / /home/u/my\\040app rw,nosuid,nodev - fuse.squashfuse squashfuse rw,user_id=1000,group_id=1000
34 21 0:41 / /mnt/open rw - fuse.sshfs host: rw,user_id=1000,group_id=1000,allow_other
35 21 0:42 / /mnt/disk rw - fuseblk /dev/sdb1 rw,user_id=0,group_id=0,allow_other,blksize=4096
36 33 0:43 / /home/u/my\\040app/deep rw - tmpfs tmpfs rw
";

    #[test]
    fn closed_mounts_are_found_by_what_lies_on_them() {
        let found = closed(MOUNTS, Path::new("/home/u/my app/usr/bin/prog")).unwrap();
        assert_eq!((found.user, found.kind.as_str()), (1000, "fuse.squashfuse"));
        assert_eq!(found.place, "/home/u/my app");
        for open in [
            "/usr/bin/prog",
            "/mnt/open/prog",
            "/mnt/disk/prog",
            "/home/u/my app/deep/p",
            "/home/u/my appendix",
        ] {
            assert_eq!(closed(MOUNTS, Path::new(open)), None, "{open}");
        }
    }
}
