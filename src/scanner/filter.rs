//! The system call filter of the scanner: no sockets, and no way around the other layers.
//!
//! A list of refusals, not of permissions: the scanner is a large Go program whose calls change with every release, and
//! a list of permissions would make each release a break-down of the gate. Refused calls answer EPERM instead of killing,
//! so that a scanner which merely tries its luck goes on without.

use std::collections::BTreeMap;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

/// Networks. Sockets that do not exist need no rules for connect or send; unix sockets are refused too, since agents
/// that hold credentials listen on them and the scanner needs none.
const NETWORK: &[i64] = &[libc::SYS_socket, libc::SYS_socketpair, libc::SYS_connect, libc::SYS_bind, libc::SYS_listen];

/// A second door to nearly every call: what `io_uring` does is not filtered.
const IO_URING: &[i64] = &[libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register];

/// Other processes and their secrets.
const OTHER_PROCESSES: &[i64] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_perf_event_open,
];

/// The kernel's key store, where logins keep tokens.
const KEYS: &[i64] = &[libc::SYS_keyctl, libc::SYS_add_key, libc::SYS_request_key];

/// Namespaces, mounts and other ways to rearrange the world.
const WORLD: &[i64] = &[
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_quotactl,
    libc::SYS_acct,
];

/// Kernel code and exploit favourites.
const KERNEL: &[i64] = &[
    libc::SYS_bpf,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_userfaultfd,
    libc::SYS_fanotify_init,
    libc::SYS_personality,
    libc::SYS_clock_settime,
    libc::SYS_settimeofday,
];

/// On `x86_64` every call also exists under its x32 number, which passes the architecture check. Kernels built with
/// x32 are rare, a filter that forgets it is open on them.
const X32_BIT: i64 = 0x4000_0000;
/// x32 numbers of calls that have their own there: `ptrace`, `process_vm_readv`, `process_vm_writev`, `kexec_load`.
const X32_ONLY: &[i64] = &[521, 539, 540, 528];

/// Why there is no filter.
#[derive(Debug, thiserror::Error)]
#[error("no system call filter: {why}")]
pub(crate) struct FilterError {
    why: String,
}

/// Puts the filter on the calling thread, for good. Sets `no_new_privs`.
pub(crate) fn apply() -> Result<(), FilterError> {
    for program in programs()? {
        seccompiler::apply_filter(&program).map_err(refuse)?;
    }
    Ok(())
}

fn programs() -> Result<[BpfProgram; 2], FilterError> {
    let refused = [NETWORK, IO_URING, OTHER_PROCESSES, KEYS, WORLD, KERNEL].concat();
    // EPERM says "no"; ENOSYS says "not here, use the old call", which is what runtimes do without clone3. Its flags are
    // in memory, where a filter cannot see a new namespace being asked for.
    Ok([compile(&refused, libc::EPERM)?, compile(&[libc::SYS_clone3], libc::ENOSYS)?])
}

fn compile(calls: &[i64], errno: i32) -> Result<BpfProgram, FilterError> {
    let arch: TargetArch = std::env::consts::ARCH.try_into().map_err(refuse)?;
    let mut rules: BTreeMap<i64, Vec<_>> = calls.iter().map(|call| (*call, Vec::new())).collect();
    if cfg!(target_arch = "x86_64") {
        rules.extend(calls.iter().chain(X32_ONLY).map(|call| (call | X32_BIT, Vec::new())));
    }
    let errno = errno.unsigned_abs();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(errno), arch).map_err(refuse)?;
    filter.try_into().map_err(refuse)
}

fn refuse(error: impl std::fmt::Display) -> FilterError {
    FilterError { why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_compiles_for_this_machine() {
        assert!(programs().unwrap().iter().all(|program| program.len() > 4));
    }

    #[test]
    fn a_filtered_thread_can_open_no_socket() {
        // The filter holds for this one thread only.
        let outcome = std::thread::spawn(|| {
            apply().unwrap();
            let udp = std::net::UdpSocket::bind("127.0.0.1:0").map(drop);
            let unix = std::os::unix::net::UnixDatagram::unbound().map(drop);
            (udp, unix, std::fs::read("/dev/null").map(drop))
        });
        let (udp, unix, file) = outcome.join().unwrap();
        assert_eq!(udp.unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
        assert_eq!(unix.unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
        file.unwrap();
    }
}
