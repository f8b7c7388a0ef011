use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use lambent_ports::sandbox::{Exit, Process, Sandbox, SandboxHost};
use lambent_ports::suites::sandbox::{PATIENCE, ShellPrograms, Subject, run};
use lambent_sandbox_linux::{Egress, LauncherClient, LauncherOptions};

pub mod bombs;
pub mod confinement;
pub mod deaths;
pub mod egress;
pub mod leaks;
pub mod life;
pub mod ordinary_user;
pub mod parked;
pub mod zygote;

pub struct Host {
    pub client: Arc<LauncherClient>,
    pub options: LauncherOptions,
    pub dir: tempfile::TempDir,
}

impl Host {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = LauncherOptions {
            executable: std::env::current_exe().unwrap(),
            state_dir: dir.path().join("sandboxes"),
            // What is tried in here must not get anywhere, whatever this host allows.
            egress: Egress::None,
            trust: None,
        };
        Host { client: Arc::new(LauncherClient::spawn(&options).unwrap()), options, dir }
    }

    pub async fn sandbox(&self, name: &str) -> Box<dyn Sandbox> {
        self.client.create(Subject::spec(name)).await.unwrap()
    }

    fn lacks(&self, text: &str) -> bool {
        self.client.degraded().iter().any(|lack| lack.contains(text))
    }

    /// Memory and CPU are limited, and sandboxes can be frozen, only where there are control groups.
    pub fn has_cgroups(&self) -> bool {
        !self.lacks("not enforced")
    }

    pub fn has_tmp_on_disk(&self) -> bool {
        !self.lacks("/tmp is kept in memory")
    }

    /// Ends the launcher; returns when it has ended.
    pub fn close(self) -> tempfile::TempDir {
        drop(Arc::into_inner(self.client).expect("nobody else uses the launcher"));
        self.dir
    }
}

pub fn shell(script: &str) -> Process {
    Process {
        argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        cwd: "/var/task".into(),
        telemetry_env: None,
    }
}

pub async fn sh(sandbox: &dyn Sandbox, script: &str) -> (Exit, String) {
    run(sandbox, shell(script)).await
}

type Case = (&'static str, fn(Host) -> Pin<Box<dyn Future<Output = ()>>>);

macro_rules! cases {
    ($($module:ident::$name:ident,)*) => {
        const CASES: &[Case] = &[$((stringify!($name), |host| Box::pin($module::$name(host))),)*];
    };
}

cases! {
    life::it_passes_the_suite,
    life::what_a_process_leaves_behind_is_killed_too,
    life::the_launchers_end_is_told,
    life::a_dropped_request_leaves_nothing,
    life::two_hundred_at_once_and_nothing_stays,
    confinement::the_tree_is_read_only_and_the_host_is_out_of_sight,
    confinement::code_is_mounted_where_it_belongs_and_not_through_links,
    confinement::layers_are_at_opt_and_without_them_it_is_empty,
    confinement::a_full_tmp_is_an_error_and_no_memory,
    confinement::tmp_has_the_size_that_was_asked_for,
    confinement::memory_is_limited,
    confinement::a_cpu_share_holds,
    confinement::a_fork_bomb_stays_in_its_sandbox,
    confinement::open_files_are_limited,
    confinement::other_limits_are_the_recorded_ones,
    confinement::descriptors_are_its_own,
    confinement::awss_names_lead_inside_and_no_other_is_known,
    confinement::escapes_fail,
    bombs::files_without_number_fill_only_the_own_tmp,
    bombs::descriptors_without_number_are_an_error,
    bombs::threads_without_number_are_an_error,
    bombs::a_bomb_of_generations_ends_with_its_sandbox,
    bombs::shared_memory_in_every_form_is_limited,
    leaks::nothing_of_one_sandbox_is_found_in_another,
    leaks::a_process_has_no_rights_and_as_root_a_user_of_its_own,
    deaths::the_death_of_the_launcher_is_the_death_of_its_sandboxes,
    deaths::the_death_of_the_server_leaves_nothing,
    deaths::the_death_of_both_is_cleared_by_the_next,
    deaths::another_instance_is_left_alone,
    parked::code_comes_late_and_is_read_only,
    parked::code_that_can_not_be_mounted_late_is_mounted_before,
    parked::the_limits_of_its_function_hold_for_a_parked_process,
    parked::escapes_fail_for_a_parked_process,
    parked::what_waits_goes_when_it_is_not_wanted_and_with_its_launcher,
    parked::the_launchers_death_is_the_death_of_what_waits,
    parked::what_can_not_wait_harms_nobody,
    zygote::a_forked_process_is_confined_as_an_executed_one,
    zygote::escapes_fail_for_a_forked_process,
    zygote::memory_is_limited_for_a_forked_process,
    zygote::a_zygote_has_few_rights_and_sees_no_function,
    zygote::the_death_of_a_zygote_harms_nobody,
    zygote::zygotes_go_with_their_launcher_and_when_they_are_not_wanted,
    egress::nat_reaches_the_outside_and_nothing_else,
    egress::host_mode_reaches_the_hosts_own_addresses_too,
    egress::nothing_of_it_stays_and_launchers_keep_apart,
    egress::what_can_not_be_had_is_said,
    ordinary_user::everything_holds_for_an_ordinary_user,
}

pub fn run_all(arguments: &[String]) {
    let filter = arguments.iter().find(|argument| !argument.starts_with('-')).cloned().unwrap_or_default();
    let mut failed = Vec::new();
    let mut passed = 0;
    for (name, case) in CASES.iter().filter(|(name, _)| name.contains(&filter)) {
        let case = *case;
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            tokio::task::LocalSet::new().block_on(&runtime, case(Host::new()));
        };
        let thread = std::thread::Builder::new().name((*name).to_owned()).spawn(work).unwrap();
        match thread.join() {
            Ok(()) => {
                passed += 1;
                println!("test {name} ... ok");
            }
            Err(_) => {
                failed.push(*name);
                println!("test {name} ... FAILED");
            }
        }
    }
    let result = if failed.is_empty() { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {result}. {passed} passed; {} failed; 0 ignored; 0 measured; 0 filtered out\n",
        failed.len()
    );
    std::process::exit(i32::from(!failed.is_empty()));
}

/// A launcher's control groups.
pub fn groups_of(launcher: u32) -> Vec<PathBuf> {
    fn below(dir: PathBuf, depth: u32, name: &str, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if entry.file_name().to_string_lossy() == name {
                    found.push(entry.path());
                } else if depth > 0 {
                    below(entry.path(), depth - 1, name, found);
                }
            }
        }
    }
    let mut found = Vec::new();
    below("/sys/fs/cgroup".into(), 4, &format!("lambent-{launcher}"), &mut found);
    found
}

/// Loop devices whose file is, or was, in a directory.
pub fn loop_devices_of(dir: &std::path::Path) -> Vec<String> {
    let text = dir.to_string_lossy().into_owned();
    let devices = std::fs::read_dir("/sys/block").into_iter().flatten().flatten();
    devices
        .filter_map(|device| std::fs::read_to_string(device.path().join("loop/backing_file")).ok())
        .filter(|file| file.contains(&text))
        .collect()
}

/// Processes on this machine with a word in their command line, as descriptors that tell their end.
pub fn processes_with(word: &str) -> Vec<(u32, std::os::fd::OwnedFd)> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes())
    })
    .filter_map(|pid| Some((pid, pidfd(pid)?)))
    .collect()
}

pub fn pidfd(pid: u32) -> Option<std::os::fd::OwnedFd> {
    let pid = rustix::process::Pid::from_raw(pid as i32)?;
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()
}

/// Waits until a process has ended.
pub fn wait_for_end(pidfd: &std::os::fd::OwnedFd) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
    let patience = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
    assert_eq!(poll(&mut fds, Some(&patience)), Ok(1), "it ends");
}

/// Waits for something of which there is no notice.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

pub fn subject(host: &Host) -> Subject {
    Subject {
        host: Arc::clone(&host.client) as Arc<dyn SandboxHost>,
        programs: Arc::new(ShellPrograms),
        freezes: host.has_cgroups(),
    }
}
