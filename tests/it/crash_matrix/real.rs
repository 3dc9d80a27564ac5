//! Debian's docker-registry as the real registry of the matrix.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// Debian's docker-registry on a loopback port, ended with this value.
pub(super) struct RealRegistry {
    pub(super) address: String,
    child: std::process::Child,
    _folder: tempfile::TempDir,
}

impl RealRegistry {
    pub(super) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let text = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nhttp: {{addr: '{address}'}}\nstorage: {{filesystem: {{rootdirectory: '{}'}}}}\n",
            folder.path().join("data").display()
        );
        let config = folder.path().join("config.yml");
        std::fs::write(&config, text).unwrap();
        let child = spawn_registry(&config).expect("docker-registry is missing: run scripts/install-debian.sh");
        let started = Self { address, child, _folder: folder };
        let listens = || std::net::TcpStream::connect(&started.address).is_ok();
        for _ in 0..100 {
            if listens() {
                return started;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("docker-registry does not listen on {}", started.address);
    }
}

#[expect(clippy::disallowed_methods, reason = "starts a registry to test against")]
fn spawn_registry(config: &Path) -> std::io::Result<std::process::Child> {
    std::process::Command::new("docker-registry")
        .arg("serve")
        .arg(config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

impl Drop for RealRegistry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
