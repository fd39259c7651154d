//! The Job of `deploy/kubernetes/check-job`, played: its command runs as its pods would, each under a name of its own.
//! Each process sees the names in a mount namespace.

#[path = "../../tests/hosts/mod.rs"]
mod hosts;
#[path = "../../tests/support/mod.rs"]
mod support;

use hosts::Hosts;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use support::{arg, eventually, free_ports, run};

const CHECK: &str = env!("CARGO_BIN_EXE_check");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/kubernetes/check-job");
const PODS: usize = 3;

/// The script of the container that explores.
fn script(entry: &str) -> String {
    let made = run("sh", &[SCRIPT, entry, &PODS.to_string(), "1"]);
    assert_eq!(made.code, 0, "{made:?}");
    let block = made.stdout.split("args:\n").nth(1).expect("one container has arguments");
    let lines = block.lines().skip(1).take_while(|line| line.starts_with("              "));
    lines.map(|line| format!("{}\n", line.trim())).collect()
}

/// The pods of a job.
struct Job {
    folder: tempfile::TempDir,
    hosts: Hosts,
    port: u16,
    script: String,
    pods: Vec<Child>,
}

impl Drop for Job {
    fn drop(&mut self) {
        for pod in &mut self.pods {
            let _ = pod.kill();
            let _ = pod.wait();
        }
    }
}

impl Job {
    /// None, where names can't be made to mean what this says.
    fn new(entry: &str) -> Option<Job> {
        let folder = tempfile::tempdir().unwrap();
        let hosts = Hosts::new(folder.path())?;
        let port = free_ports("127.0.0.1", 1);
        let name = |pod: usize| format!("check-{pod}.check");
        hosts.are((0..PODS).map(|pod| (name(pod), format!("127.0.0.{}", 51 + pod))));
        let list = folder.path().join("list");
        let mut options = std::fs::File::options();
        let mut file = options.write(true).create_new(true).mode(0o600).open(list).unwrap();
        let addresses = (0..PODS).map(|pod| format!("{}:{port}\n", name(pod)));
        let text = format!("secret {}\n{}", "5f".repeat(32), addresses.collect::<String>());
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        Some(Job { folder, hosts, port, script: script(entry), pods: Vec::new() })
    }

    fn volume(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    fn start(&mut self) {
        for pod in 0..PODS {
            let script = self
                .script
                .replace("/secret/hosts", arg(&self.folder.path().join("list")))
                .replace("/run/", &format!("{}/", arg(&self.volume())))
                .replace("0.0.0.0:7200", &format!("127.0.0.{}:{}", 51 + pod, self.port));
            assert!(script.contains("--resume-or-begin"), "{script}");
            let path = Path::new(CHECK).parent().unwrap().display().to_string();
            let path = format!("{path}:{}", std::env::var("PATH").unwrap());
            let mut command = self.hosts.command("sh");
            command.args(["-ec", &script]).env("PATH", path);
            command.env("JOB_COMPLETION_INDEX", pod.to_string()).stdin(Stdio::null());
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            self.pods.push(command.spawn().unwrap());
        }
    }

    /// What each pod has said, and its exit status, once all have ended.
    fn ended(&mut self) -> Vec<(Option<i32>, String)> {
        let ended = self.pods.drain(..).map(|pod| {
            let output = pod.wait_with_output().unwrap();
            let [out, err] =
                [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
            (output.status.code(), format!("{out}{err}"))
        });
        ended.collect()
    }

    /// The number of a pod's last checkpoint.
    fn checkpoint(&self, entry: &str, pod: usize) -> Option<u64> {
        let folder = self.volume().join(entry).join(format!("process-{pod}"));
        let files = std::fs::read_dir(folder).ok()?.filter_map(|file| Some(file.ok()?.file_name()));
        files.filter_map(|name| name.to_str()?.strip_prefix("checkpoint-")?.parse().ok()).max()
    }
}

#[test]
fn pods_that_are_lost_are_made_anew_and_the_job_comes_to_its_end() {
    const ENTRY: &str = "rivals";
    let Some(mut job) = Job::new(ENTRY) else {
        println!("left out: no mount namespaces here");
        return;
    };
    job.start();
    eventually("the run gets somewhere", || job.checkpoint(ENTRY, 1) >= Some(5));
    job.pods[1].kill().unwrap();
    let ended = job.ended();
    assert!(ended.iter().all(|(code, _)| *code != Some(0)), "{ended:?}");
    assert!(ended[0].1.contains("process 1 does not answer any more"), "{ended:?}");
    // One has lost its volume, too: all begin anew.
    std::fs::remove_dir_all(job.volume().join(ENTRY).join("process-2")).unwrap();
    job.start();
    eventually("the run gets further", || job.checkpoint(ENTRY, 2) >= Some(7));
    job.pods[2].kill().unwrap();
    let ended = job.ended();
    assert!(!ended[0].1.contains("check: goes on"), "{ended:?}");
    job.start();
    let ended = job.ended();
    assert!(ended.iter().all(|(code, _)| *code == Some(0)), "{ended:?}");
    let said = &ended[0].1;
    // The catalog's count is compared.
    assert!(said.contains("check: goes on ") && said.contains("  holds"), "{said}");
    assert!(ended[1].1.contains("can be removed once process 0 has shown the result"), "{ended:?}");
}

#[test]
fn what_the_script_is_asked_in_vain_it_says() {
    for args in [&[][..], &["rivals"], &["rivals", "0"], &["Rivals $x", "3"], &["rivals", "65"]] {
        let refused = run("sh", &[&[SCRIPT], args].concat());
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.stderr.contains("check-job"), "{refused:?}");
        assert_eq!(refused.stdout, "");
    }
}
