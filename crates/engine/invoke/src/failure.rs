//! What the platform says when a function can't answer for itself (`facts` 2.4; texts recorded unless noted).

use bytes::Bytes;
use lambent_domain::RequestId;
use lambent_ports::sandbox::Exit;
use serde_json::json;

/// Why an invoke or an init did not end with a response.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Failure {
    /// The runtime reported an error: its body is passed on byte by byte.
    Reported { error_type: Option<String>, body: Bytes },
    /// The runtime's process ended.
    Exited(Exit),
    /// The deadline passed.
    TimedOut { timeout_s: f64 },
    /// The runtime posted more than the limit allows.
    ResponseTooLarge,
    /// The main process could not be executed; the text is the whole reason.
    InvalidEntrypoint(String),
}

impl Failure {
    /// `Error Type` of REPORT and INIT_REPORT.
    pub(crate) fn error_type(&self) -> &str {
        match self {
            // The core passes on only types of these two families (`facts` 2.4).
            Failure::Reported { error_type: Some(name), .. } if is_platform_type(name) => name,
            Failure::Reported { error_type: Some(name), .. } if name.starts_with("Function.") => {
                "Function.Unknown"
            }
            Failure::Reported { .. } => "Runtime.Unknown",
            Failure::Exited(Exit::Signal { out_of_memory: true, .. }) => "Runtime.OutOfMemory",
            Failure::Exited(_) => "Runtime.ExitError",
            Failure::TimedOut { .. } => "Sandbox.Timedout",
            Failure::ResponseTooLarge => "Function.ResponseSizeTooLarge",
            Failure::InvalidEntrypoint(_) => "Runtime.InvalidEntrypoint",
        }
    }

    /// The payload of the reply.
    pub(crate) fn payload(&self, request_id: &RequestId) -> Bytes {
        let message = match self {
            Failure::Reported { body, .. } => return body.clone(),
            Failure::Exited(exit) => format!("RequestId: {request_id} Error: {}", exit_text(*exit)),
            Failure::TimedOut { timeout_s } => {
                format!("RequestId: {request_id} Error: {}", timeout_text(*timeout_s))
            }
            Failure::ResponseTooLarge => {
                let limit = lambent_domain::limits::MAX_SYNC_RESPONSE_BYTES;
                format!("Response payload size exceeded maximum allowed payload size ({limit} bytes).")
            }
            Failure::InvalidEntrypoint(reason) => format!("RequestId: {request_id} Error: {reason}"),
        };
        let kind = self.error_type();
        // The order of members is the recorded one.
        let payload = match self {
            Failure::ResponseTooLarge => json!({"errorMessage": message, "errorType": kind}),
            _ => json!({"errorType": kind, "errorMessage": message}),
        };
        Bytes::from(payload.to_string())
    }

    /// What the platform itself writes into the log, if anything.
    pub(crate) fn log_line(&self, request_id: &RequestId, time: &str) -> Option<String> {
        let name = self.error_type();
        match self {
            Failure::Reported { .. } | Failure::ResponseTooLarge => None,
            Failure::Exited(exit) => {
                Some(format!("RequestId: {request_id} Error: {}\n{name}\n", exit_text(*exit)))
            }
            Failure::TimedOut { timeout_s } => {
                Some(format!("{time} {request_id} {}\n\n", timeout_text(*timeout_s)))
            }
            Failure::InvalidEntrypoint(reason) => {
                Some(format!("RequestId: {request_id} Error: {reason}\n{name}\n"))
            }
        }
    }

    /// `Status` of REPORT, with its error type where AWS prints one.
    pub(crate) fn status(&self) -> ReportStatus {
        match self {
            Failure::TimedOut { .. } => ReportStatus::Timeout,
            // An error that the function itself reported is a normal end for the platform (recorded REPORT lines).
            Failure::Reported { .. } => ReportStatus::Success,
            _ => ReportStatus::Error(self.error_type().to_owned()),
        }
    }
}

/// How REPORT ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReportStatus {
    Success,
    Timeout,
    Error(String),
}

fn is_platform_type(name: &str) -> bool {
    let rest = name.strip_prefix("Runtime.").or_else(|| name.strip_prefix("Function."));
    rest.is_some_and(|rest| {
        rest.len() > 1
            && rest.starts_with(|first: char| first.is_ascii_uppercase())
            && rest.bytes().all(|byte| byte.is_ascii_alphabetic())
    })
}

fn timeout_text(timeout_s: f64) -> String {
    format!("Task timed out after {timeout_s:.2} seconds")
}

fn exit_text(exit: Exit) -> String {
    match exit {
        Exit::Code(0) => "Runtime exited without providing a reason".to_owned(),
        Exit::Code(code) => format!("Runtime exited with error: exit status {code}"),
        Exit::Signal { signal, .. } => format!("Runtime exited with error: signal: {}", signal_name(signal)),
        Exit::SandboxGone => "Runtime exited with error: signal: killed".to_owned(),
    }
}

/// Signal names as Go prints them: AWS's core is written in it.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        10 => "user defined signal 1",
        11 => "segmentation fault",
        12 => "user defined signal 2",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        24 => "CPU time limit exceeded",
        25 => "file size limit exceeded",
        31 => "bad system call",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(failure: Failure) -> String {
        String::from_utf8(failure.payload(&RequestId::from_random([0; 16])).to_vec()).unwrap()
    }

    #[test]
    fn payloads_are_awss() {
        let id = "00000000-0000-4000-8000-000000000000";
        assert_eq!(
            payload(Failure::TimedOut { timeout_s: 3.0 }),
            format!(
                r#"{{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: {id} Error: Task timed out after 3.00 seconds"}}"#
            )
        );
        assert_eq!(
            payload(Failure::Exited(Exit::Code(1))),
            format!(
                r#"{{"errorType":"Runtime.ExitError","errorMessage":"RequestId: {id} Error: Runtime exited with error: exit status 1"}}"#
            )
        );
        assert!(
            payload(Failure::Exited(Exit::Code(0))).contains("Runtime exited without providing a reason")
        );
        let segfault = Exit::Signal { signal: 11, out_of_memory: false };
        assert!(payload(Failure::Exited(segfault)).contains("signal: segmentation fault"));
        let oom = payload(Failure::Exited(Exit::Signal { signal: 9, out_of_memory: true }));
        assert!(oom.contains("Runtime.OutOfMemory") && oom.contains("signal: killed"));
        assert_eq!(
            payload(Failure::ResponseTooLarge),
            r#"{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}"#
        );
    }

    #[test]
    fn a_reported_body_passes_unchanged_and_its_type_is_normalised() {
        let reported = |name: &str| Failure::Reported {
            error_type: Some(name.into()),
            body: Bytes::from_static(b"any"),
        };
        assert_eq!(payload(reported("X")), "any");
        assert_eq!(reported("Runtime.ImportModuleError").error_type(), "Runtime.ImportModuleError");
        assert_eq!(reported("Function.sad thing").error_type(), "Function.Unknown");
        assert_eq!(reported("ValueError").error_type(), "Runtime.Unknown");
    }
}
