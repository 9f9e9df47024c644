//! The process that reads for us (see [`super::aside`]): a copy of this one that does nothing but system calls. It takes
//! no lock and no memory, as other threads may have held both when it was made.

#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::libc;

/// Bytes that one answer can have.
pub(super) const ROOM: usize = 1 << 20;

/// Most pieces the kernel takes in one call (`UIO_MAXIOV`, include/uapi/linux/uio.h).
pub(super) const MAX_PIECES: usize = 1024;

/// Bytes of the path of a file that is asked for, with the zero at its end.
const PATH: usize = 64;

/// What both share: a question, and what came of it.
#[repr(C)]
struct Shared {
    /// Of which process memory is asked for; 0: a file is.
    pid: i32,
    /// What the system said; 0: nothing went wrong.
    errno: i32,
    /// Where in the file.
    at: u64,
    /// How many bytes of the file; how many there were of either.
    len: u64,
    pieces: u64,
    /// Whether that file may be anybody's, and not only the kernel's.
    is_foreign: bool,
    /// What its file system is then (statfs(2), `f_type`); 0 where it does not say.
    file_system: u64,
    path: [u8; PATH],
    places: [libc::iovec; MAX_PIECES],
    data: [u8; ROOM],
}

/// Shared memory. It is looked at by one at a time: by who asks, then by who answers.
#[derive(Debug)]
pub(super) struct Room(NonNull<Shared>);

// SAFETY: it is an address that belongs to nobody else.
unsafe impl Send for Room {}

impl Room {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: new memory, anywhere. All zeros are a `Shared`.
        let memory = unsafe {
            libc::mmap(
                ptr::null_mut(),
                size_of::<Shared>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(memory.cast()).map_or_else(|| Err(Errno::ENOMEM.into()), |it| Ok(Self(it)))
    }

    /// Asks for memory at these addresses.
    pub(super) fn ask_for_memory(&mut self, pid: i32, places: impl Iterator<Item = (u64, u64)>) {
        // SAFETY: it is there as long as `self` is, and the other one waits.
        let shared = unsafe { self.0.as_mut() };
        let (mut pieces, mut room) = (0, ROOM as u64);
        for ((addr, len), slot) in places.zip(&mut shared.places) {
            let len = len.min(room);
            slot.iov_base = ptr::without_provenance_mut(usize::try_from(addr).unwrap_or(0));
            slot.iov_len = usize::try_from(len).unwrap_or(0);
            (pieces, room) = (pieces + 1, room - len);
        }
        (shared.pid, shared.pieces) = (pid, pieces);
    }

    /// Asks for what is in a file from there on; and for what it lies on, if it may be anybody's.
    pub(super) fn ask_for_file(&mut self, path: &str, is_foreign: bool, at: u64, len: u64) {
        // SAFETY: as above.
        let shared = unsafe { self.0.as_mut() };
        shared.path = [0; PATH];
        for (slot, byte) in shared.path.iter_mut().zip(path.bytes()).take(PATH - 1) {
            *slot = byte;
        }
        (shared.pid, shared.at, shared.len) = (0, at, len.min(ROOM as u64));
        (shared.is_foreign, shared.file_system) = (is_foreign, 0);
    }

    /// How many bytes there are.
    pub(super) fn answer(&self) -> Result<usize, Errno> {
        // SAFETY: as above.
        let shared = unsafe { self.0.as_ref() };
        match shared.errno {
            0 => Ok(usize::try_from(shared.len).unwrap_or(0).min(ROOM)),
            errno => Err(Errno::from_raw(errno)),
        }
    }

    /// What the file lies on.
    pub(super) fn file_system(&self) -> u64 {
        // SAFETY: as above.
        unsafe { self.0.as_ref() }.file_system
    }

    /// Copies bytes of the answer.
    pub(super) fn copy(&self, from: usize, to: &mut [u8]) {
        // SAFETY: as above.
        let shared = unsafe { self.0.as_ref() };
        if let Some(bytes) = shared.data.get(from..from.saturating_add(to.len())) {
            to.copy_from_slice(bytes);
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // SAFETY: it is ours alone from `new` on. The other process has its own map of it.
        unsafe { libc::munmap(self.0.as_ptr().cast(), size_of::<Shared>()) };
    }
}

/// Starts a process that answers, one byte on `socket` for each that comes there. It ends when nobody can ask any more.
///
/// # Errors
/// There is no process to be had.
pub(super) fn start(room: &Room, socket: i32) -> io::Result<i32> {
    let mut all = MaybeUninit::uninit();
    let mut before = MaybeUninit::uninit();
    // SAFETY: both are filled before they are used. No signal is for the new process: what handles them is ours.
    let pid = unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        let pid = libc::fork();
        if pid == 0 {
            serve(room.0.as_ptr(), socket)
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut());
        pid
    };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(pid)
}

/// Ends such a process, at once or when it can be ended.
pub(super) fn end(pid: i32) {
    // SAFETY: only system calls. It is a child that nobody else waits for, so that the number is its own.
    unsafe {
        libc::kill(pid, libc::SIGKILL);
        libc::waitpid(pid, ptr::null_mut(), libc::WNOHANG);
    }
}

/// Answers until nobody asks any more.
///
/// # Safety
/// For the copy of a process with several threads: only system calls. `shared` is a room of this process.
unsafe fn serve(shared: *mut Shared, socket: i32) -> ! {
    // SAFETY: system calls, on descriptors that nobody else in this process uses any more, and on a room that is there to
    // its end. What stands in it is as large as it can be.
    unsafe {
        if socket != 0 {
            libc::dup2(socket, 0);
        }
        if libc::syscall(libc::SYS_close_range, 1, u32::MAX, 0) != 0 {
            // Linux 5.9 has it.
            for other in 1..65_536 {
                libc::close(other);
            }
        }
        // Nothing is kept from being unmounted.
        libc::chdir(c"/".as_ptr());
        libc::prctl(libc::PR_SET_NAME, c"grtmon-reader".as_ptr());
        let mut byte = 0_u8;
        loop {
            let asked = libc::read(0, (&raw mut byte).cast(), 1);
            if asked < 0 && *libc::__errno_location() == libc::EINTR {
                continue;
            }
            if asked != 1 {
                libc::_exit(0);
            }
            let done = answer(shared);
            (*shared).errno = if done < 0 {
                *libc::__errno_location()
            } else {
                0
            };
            (*shared).len = done.max(0).cast_unsigned() as u64;
            if libc::write(0, (&raw const byte).cast(), 1) != 1 {
                libc::_exit(0);
            }
        }
    }
}

/// Looks at a file and at what it lies on, before it is opened: to open it may take away from others what they have of it
/// in memory (FUSE without `FOPEN_KEEP_CACHE`), and whoever does not answer now would not give it back.
///
/// # Safety
/// As [`serve`]; the path has a zero at its end.
unsafe fn look(shared: *mut Shared, path: *const libc::c_char) {
    // SAFETY: as in `serve`.
    unsafe {
        let place = libc::open(path, libc::O_PATH | libc::O_CLOEXEC);
        let mut about = MaybeUninit::uninit();
        libc::fstat(place, about.as_mut_ptr());
        let mut lies_on = MaybeUninit::<libc::statfs>::zeroed();
        (*shared).file_system = match libc::fstatfs(place, lies_on.as_mut_ptr()) {
            0 => (&raw const (*lies_on.as_ptr()).f_type).read() as u64,
            _ => 0,
        };
        libc::close(place);
    }
}

/// Does what is asked for.
///
/// # Safety
/// As [`serve`].
unsafe fn answer(shared: *mut Shared) -> isize {
    // SAFETY: as in `serve`.
    unsafe {
        let data = (&raw mut (*shared).data).cast::<libc::c_void>();
        if (*shared).pid == 0 {
            let path = (&raw const (*shared).path).cast();
            if (*shared).is_foreign {
                look(shared, path);
            }
            let file = libc::open(path, libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK);
            if file < 0 {
                return -1;
            }
            // A server that does not know of its file any more says nothing to this either.
            let mut about = MaybeUninit::uninit();
            libc::fstat(file, about.as_mut_ptr());
            let len = ((*shared).len as usize).min(ROOM);
            let done = libc::pread(file, data, len, (*shared).at.cast_signed());
            let errno = *libc::__errno_location();
            libc::close(file);
            *libc::__errno_location() = errno;
            return done;
        }
        let pieces = (*shared).pieces.min(MAX_PIECES as u64);
        let local = libc::iovec {
            iov_base: data,
            iov_len: ROOM,
        };
        let places = (&raw const (*shared).places).cast();
        libc::process_vm_readv((*shared).pid, &raw const local, 1, places, pieces, 0)
    }
}
