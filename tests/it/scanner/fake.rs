//! A scanner that misbehaves, compiled by the tests. Its file name says how; nothing else of ours reaches it.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

unsafe extern "C" {
    fn fcntl(fd: i32, command: i32, ...) -> i32;
}

fn main() {
    let path = std::env::args().next().unwrap();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let name = Path::new(&path).file_name().unwrap().to_str().unwrap();
    let (mode, parameter) = name.split_once('-').unwrap_or((name, ""));
    if arguments.first().is_some_and(|argument| argument == "--version") {
        println!(r#"{{"Version":"9.9.9"}}"#);
        return;
    }
    match mode {
        "good" => println!("{}", report("9.9.9", CANARY)),
        "clean" => println!("{}", report("9.9.9", "")),
        "foreign" => {
            let other = r#",{"VulnerabilityID":"CVE-1","PkgIdentifier":{"BOMRef":"not ours"}}"#;
            println!("{}", report("9.9.9", &format!("{CANARY}{other}")));
        }
        "denied" => println!("{}", report("0.69.5", CANARY)),
        "garbage" => println!("everything is fine"),
        "silent" => {}
        "crash" => {
            eprintln!("\u{1b}[31mpanic: page 7 already freed");
            std::process::exit(2);
        }
        "abort" => std::process::abort(),
        "forge" => {
            eprintln!(r#"{{"starting":{{"landlock":true,"seccomp":true,"netns":true}}}}"#);
            println!("{}", report("9.9.9", CANARY));
        }
        "sleep" => std::thread::sleep(std::time::Duration::from_secs(600)),
        "huge" => {
            let line = [b'x'; 1 << 16];
            while std::io::stdout().write_all(&line).is_ok() {}
        }
        "probe" => {
            eprintln!("{}", probe(&path, parameter));
            std::process::exit(9);
        }
        _ => std::process::exit(99),
    }
}

const CANARY: &str = r#"{"VulnerabilityID":"CVE-2019-10744","PkgIdentifier":{"BOMRef":"countersign:canary:lodash"}}"#;

fn report(version: &str, vulnerabilities: &str) -> String {
    format!(
        r#"{{"SchemaVersion":2,"Trivy":{{"Version":"{version}"}},"ArtifactType":"cyclonedx","Results":[{{"Vulnerabilities":[{vulnerabilities}]}}]}}"#
    )
}

/// What can be reached from here; one word per door, `name=open` or `name=shut`.
fn probe(own: &str, port: &str) -> String {
    let here = Path::new(own).parent().unwrap();
    let read = |path: &Path| std::fs::File::open(path).and_then(|mut file| file.read(&mut [0; 16])).is_ok();
    let parent = std::os::unix::process::parent_id();
    let cache = std::env::args().find_map(|argument| argument.strip_prefix("--cache-dir=").map(str::to_owned)).unwrap();
    let database = Path::new(&cache).join("db/trivy.db");
    let doors = [
        ("tcp", TcpStream::connect(format!("127.0.0.1:{port}")).is_ok()),
        ("udp", UdpSocket::bind("127.0.0.1:0").is_ok()),
        ("unix", UnixDatagram::unbound().is_ok()),
        ("secret", read(&here.join("secret.txt"))),
        ("passwd", read(Path::new("/etc/passwd"))),
        ("environ", read(Path::new(&format!("/proc/{parent}/environ")))),
        ("own-environ", read(Path::new("/proc/self/environ"))),
        ("drop", std::fs::write(here.join("dropped.txt"), "x").is_ok()),
        ("shell", std::process::Command::new("/bin/sh").arg("-c").arg("true").status().is_ok()),
        ("database-write", std::fs::File::options().append(true).open(&database).is_ok()),
        ("cwd-content", std::fs::read_dir(".").unwrap().count() > 0),
        ("stdin", std::io::stdin().read(&mut [0; 1]).unwrap() > 0),
        ("database", read(&database)),
        ("tmp", std::fs::write(std::env::temp_dir().join("t"), "x").is_ok()),
    ];
    let descriptors = (3..1024).filter(|fd| unsafe { fcntl(*fd, 1) } != -1).count();
    let mut environment: Vec<String> = std::env::vars_os().map(|(name, _)| name.into_string().unwrap()).collect();
    environment.sort();
    let doors: Vec<String> =
        doors.iter().map(|(name, open)| format!("{name}={}", if *open { "open" } else { "shut" })).collect();
    format!("{} descriptors={descriptors} environment={}", doors.join(" "), environment.join(","))
}
