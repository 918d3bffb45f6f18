//! The three system calls that the standard library lacks.
#![allow(unsafe_code)]

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// A signal to a process group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: end in good order.
    Terminate,
    /// SIGKILL: no chance to react.
    Kill,
    /// SIGSTOP: freeze.
    Stop,
    /// SIGCONT: go on.
    Continue,
    /// SIGHUP: read the configuration again.
    Reload,
}

/// Makes the kernel kill the child (SIGKILL) when the thread that spawns it dies; see [`super::spawner`] for the thread.
pub(super) fn die_with_parent(command: &mut Command) {
    let parent = std::process::id();
    // SAFETY: between fork and exec only prctl and getppid run, which are async-signal-safe, and nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(io::Error::last_os_error());
            }
            // The parent may have died before the call above.
            if libc::getppid().cast_unsigned() != parent {
                return Err(io::ErrorKind::Interrupted.into());
            }
            Ok(())
        });
    }
}

/// Signals a process group. A group that is gone is no error.
pub(super) fn signal_group(leader: u32, signal: Signal) {
    let Ok(group) = i32::try_from(leader) else { return };
    if group <= 1 {
        return;
    }
    let number = match signal {
        Signal::Terminate => libc::SIGTERM,
        Signal::Kill => libc::SIGKILL,
        Signal::Stop => libc::SIGSTOP,
        Signal::Continue => libc::SIGCONT,
        Signal::Reload => libc::SIGHUP,
    };
    // SAFETY: kill takes two integers and touches no memory; the group is that of a child which isn't reaped yet.
    unsafe {
        libc::kill(-group, number);
    }
}
