//! The layers around the scanner (I9): a network namespace of its own, Landlock path rules, a system call filter.
//!
//! Each layer is tried, then tested from the inside; only what held in the test counts as reached. No single kernel or
//! container runtime offers all of them, so what is required is a [`Level`], not a list. Runs in the launcher, which is
//! a fresh single-threaded process: everything here is irrevocable for the calling process.

use std::fmt;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, RestrictionStatus,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use serde::{Deserialize, Serialize};

use crate::scanner::filter;

/// What an isolation is good for. Ordered: more is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Only the cleared environment, the empty folder and the resource limits.
    Bare,
    /// And no network.
    NoNetwork,
    /// And no file but the scanner, its database and its own folder.
    NoFiles,
    /// Every layer: two of them would have to fail for the network to be reached.
    Full,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bare => "bare",
            Self::NoNetwork => "no network",
            Self::NoFiles => "no network and no foreign files",
            Self::Full => "landlock+seccomp+netns",
        })
    }
}

/// Which layers hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Isolation {
    pub landlock: bool,
    pub seccomp: bool,
    pub netns: bool,
}

impl Isolation {
    #[must_use]
    pub fn level(self) -> Level {
        match (self.seccomp || self.netns, self.landlock) {
            (false, _) => Level::Bare,
            (true, false) => Level::NoNetwork,
            (true, true) if self.seccomp && self.netns => Level::Full,
            (true, true) => Level::NoFiles,
        }
    }
}

/// `landlock+seccomp+netns`, or `none`.
impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layers = [(self.landlock, "landlock"), (self.seccomp, "seccomp"), (self.netns, "netns")];
        let reached: Vec<&str> = layers.into_iter().filter_map(|(held, name)| held.then_some(name)).collect();
        f.write_str(if reached.is_empty() { "none" } else { "" })?;
        f.write_str(&reached.join("+"))
    }
}

/// The only files the scanner may touch.
#[derive(Debug)]
pub(crate) struct Reachable<'a> {
    /// Read and execute.
    pub(crate) binary: &'a File,
    /// Read.
    pub(crate) database: Option<&'a File>,
    /// Read, write and create.
    pub(crate) workspace: &'a Path,
}

/// Where the dynamic loader finds libraries of a scanner that is not linked statically. Nothing there is secret.
const LIBRARY_FOLDERS: &[&str] = &["/lib", "/lib64", "/usr/lib", "/usr/lib64"];

/// Newer kernels than this know more rights than `landlock` 0.4 names; older ones fewer, and get what they have.
const NEWEST_ABI: ABI = ABI::V9;

/// Puts every layer that this kernel has around the calling process and tells which of them hold.
pub(crate) fn enter(reachable: &Reachable<'_>) -> Isolation {
    let netns = enter_network_namespace();
    let landlock = restrict_files(reachable) && foreign_files_are_refused();
    let seccomp = filter::apply().is_ok() && sockets_are_refused();
    Isolation { landlock, seccomp, netns }
}

fn enter_network_namespace() -> bool {
    use rustix::thread::UnshareFlags;

    let before = std::fs::read_link("/proc/self/ns/net").ok();
    #[expect(deprecated, reason = "its successor is unsafe because of FILES, which is not asked for here")]
    let entered = rustix::thread::unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNET);
    if entered.is_err() {
        return false;
    }
    let after = std::fs::read_link("/proc/self/ns/net").ok();
    let interfaces = std::fs::read_to_string("/proc/self/net/dev").unwrap_or_default();
    let names = interfaces.lines().skip(2).filter_map(|line| line.split(':').next());
    after.is_some() && before != after && names.map(str::trim).all(|name| name == "lo")
}

fn restrict_files(reachable: &Reachable<'_>) -> bool {
    let read_file: BitFlags<AccessFs> = AccessFs::ReadFile.into();
    let Ok(workspace) = PathFd::new(reachable.workspace) else { return false };
    let restricted = (|| -> Result<RestrictionStatus, RulesetError> {
        let mut rules = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(NEWEST_ABI))?
            .handle_access(AccessNet::from_all(NEWEST_ABI))?
            .scope(Scope::from_all(NEWEST_ABI))?
            .create()?
            .add_rule(PathBeneath::new(reachable.binary, read_file | AccessFs::Execute))?
            .add_rule(PathBeneath::new(workspace, AccessFs::from_all(NEWEST_ABI) & !AccessFs::Execute))?;
        if let Some(database) = reachable.database {
            rules = rules.add_rule(PathBeneath::new(database, read_file))?;
        }
        if let Ok(null) = PathFd::new("/dev/null") {
            rules = rules.add_rule(PathBeneath::new(null, read_file | AccessFs::WriteFile))?;
        }
        for folder in LIBRARY_FOLDERS.iter().filter_map(|path| PathFd::new(path).ok()) {
            rules = rules.add_rule(PathBeneath::new(folder, AccessFs::from_read(NEWEST_ABI)))?;
        }
        rules.restrict_self()
    })();
    restricted.is_ok_and(|status| status.ruleset != RulesetStatus::NotEnforced && status.no_new_privs)
}

/// The root folder and our own memory map are readable by everyone; behind path rules they are not.
fn foreign_files_are_refused() -> bool {
    let refused = |error: std::io::Error| error.kind() == ErrorKind::PermissionDenied;
    std::fs::read_dir("/").is_err_and(refused) && File::open("/proc/self/maps").is_err_and(refused)
}

fn sockets_are_refused() -> bool {
    let refused = |error: std::io::Error| error.kind() == ErrorKind::PermissionDenied;
    std::net::UdpSocket::bind("127.0.0.1:0").is_err_and(refused)
        && std::net::UdpSocket::bind("[::1]:0").is_err_and(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_follow_from_the_layers_that_hold() {
        let table = [
            ((false, false, false), Level::Bare, "none"),
            ((true, false, false), Level::Bare, "landlock"),
            ((false, true, false), Level::NoNetwork, "seccomp"),
            ((false, false, true), Level::NoNetwork, "netns"),
            ((true, true, false), Level::NoFiles, "landlock+seccomp"),
            ((true, false, true), Level::NoFiles, "landlock+netns"),
            ((true, true, true), Level::Full, "landlock+seccomp+netns"),
        ];
        for ((landlock, seccomp, netns), level, text) in table {
            let isolation = Isolation { landlock, seccomp, netns };
            assert_eq!((isolation.level(), isolation.to_string().as_str()), (level, text));
        }
        assert!(Level::Bare < Level::NoNetwork && Level::NoNetwork < Level::NoFiles && Level::NoFiles < Level::Full);
    }
}
