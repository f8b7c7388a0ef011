//! The platform's own lines, in both formats (`facts` 2.6 and 2.7).

use lambent_domain::RequestId;
use lambent_domain::log_config::{ApplicationLogLevel, LogFormat, SystemLogLevel};
use lambent_domain::trace_header;
use lambent_kit::utc::rfc3339_ms;
use serde_json::json;

use super::LogTarget;
use crate::failure::ReportStatus;

/// When an init happens: before the first invoke, or again within one after it had failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InitPhase {
    Init,
    Invoke,
}

impl InitPhase {
    fn as_str(self) -> &'static str {
        match self {
            InitPhase::Init => "init",
            InitPhase::Invoke => "invoke",
        }
    }
}

/// The figures of one invocation.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) request_id: RequestId,
    pub(crate) duration_ms: f64,
    /// Only on the first invocation of an environment.
    pub(crate) init_ms: Option<f64>,
    pub(crate) status: ReportStatus,
    /// The trace header of a request that is sampled.
    pub(crate) traced: Option<Box<str>>,
}

impl Report {
    /// Since August 2025 init is billed too.
    fn billed_ms(&self) -> u64 {
        (self.duration_ms + self.init_ms.unwrap_or(0.0)).ceil() as u64
    }
}

impl LogTarget {
    fn system_level(&self) -> Option<SystemLogLevel> {
        match self.config.format {
            LogFormat::Text => None,
            LogFormat::Json { system, .. } => Some(system),
        }
    }

    /// Whether platform lines that say "all is well" are written.
    fn talks(&self) -> bool {
        self.system_level().is_none_or(|level| level <= SystemLogLevel::Info)
    }

    pub(super) fn init_start(&self, at_ms: u64, phase: InitPhase) -> Option<String> {
        if !self.talks() {
            return None;
        }
        let (version, arn) = (&self.runtime_version, &self.runtime_version_arn);
        Some(match self.config.format {
            LogFormat::Text => format!("INIT_START Runtime Version: {version}\tRuntime Version ARN: {arn}\n"),
            LogFormat::Json { .. } => self.record(
                at_ms,
                "platform.initStart",
                json!({
                    "initializationType": "on-demand", "phase": phase.as_str(), "runtimeVersion": version,
                    "runtimeVersionArn": arn, "functionName": self.function_name, "functionVersion": self.version.to_string(),
                    "instanceId": self.stream, "instanceMaxMemory": u64::from(self.memory_mb) << 20,
                }),
            ),
        })
    }

    pub(super) fn init_report(
        &self,
        at_ms: u64,
        phase: InitPhase,
        duration_ms: f64,
        status: &ReportStatus,
    ) -> String {
        let phase = phase.as_str();
        match self.config.format {
            LogFormat::Text => {
                format!(
                    "INIT_REPORT Init Duration: {duration_ms:.2} ms\tPhase: {phase}{}\n",
                    text_status(status)
                )
            }
            LogFormat::Json { .. } => {
                let mut record = json!({
                    "initializationType": "on-demand", "phase": phase, "metrics": {"durationMs": milli(duration_ms)},
                });
                set_status(&mut record, status);
                self.record(at_ms, "platform.initReport", record)
            }
        }
    }

    pub(super) fn start(&self, at_ms: u64, request_id: &RequestId) -> Option<String> {
        self.talks().then(|| match self.config.format {
            LogFormat::Text => format!("START RequestId: {request_id} Version: {}\n", self.version),
            LogFormat::Json { .. } => self.record(
                at_ms,
                "platform.start",
                json!({
                    "requestId": request_id.to_string(), "functionArn": self.function_arn, "version": self.version.to_string(),
                }),
            ),
        })
    }

    /// END and REPORT, or their JSON counterparts.
    pub(super) fn end(&self, at_ms: u64, report: &Report, max_memory_mb: u64) -> Vec<String> {
        let id = &report.request_id;
        match self.config.format {
            LogFormat::Text => {
                let init =
                    report.init_ms.map(|ms| format!("Init Duration: {ms:.2} ms\t")).unwrap_or_default();
                let xray = report.traced.as_deref().map(xray_line).unwrap_or_default();
                let status = text_status(&report.status);
                let status = status.strip_prefix('\t').unwrap_or(&status);
                vec![
                    format!("END RequestId: {id}\n"),
                    format!(
                        "REPORT RequestId: {id}\tDuration: {:.2} ms\tBilled Duration: {} ms\tMemory Size: {} MB\tMax Memory Used: {max_memory_mb} MB\t{init}{status}\n{xray}",
                        report.duration_ms,
                        report.billed_ms(),
                        self.memory_mb,
                    ),
                ]
            }
            LogFormat::Json { .. } => {
                let mut lines = Vec::new();
                if self.system_level() == Some(SystemLogLevel::Debug) {
                    let metrics = json!({"durationMs": milli(report.duration_ms)});
                    let mut done = json!({"requestId": id.to_string(), "metrics": metrics});
                    set_status(&mut done, &report.status);
                    set_tracing(&mut done, report.traced.as_deref());
                    lines.push(self.record(at_ms, "platform.runtimeDone", done));
                }
                if self.talks() || report.status != ReportStatus::Success {
                    lines.push(self.json_report(at_ms, report, max_memory_mb));
                }
                lines
            }
        }
    }

    fn json_report(&self, at_ms: u64, report: &Report, max_memory_mb: u64) -> String {
        let mut metrics = json!({
            "durationMs": milli(report.duration_ms), "billedDurationMs": report.billed_ms(),
            "memorySizeMB": self.memory_mb, "maxMemoryUsedMB": max_memory_mb,
        });
        if let Some(init_ms) = report.init_ms {
            metrics["initDurationMs"] = json!(milli(init_ms));
        }
        let mut record = json!({"requestId": report.request_id.to_string(), "metrics": metrics});
        set_status(&mut record, &report.status);
        set_tracing(&mut record, report.traced.as_deref());
        self.record(at_ms, "platform.report", record)
    }

    fn record(&self, at_ms: u64, kind: &str, record: serde_json::Value) -> String {
        format!("{}\n", json!({"time": rfc3339_ms(at_ms), "type": kind, "record": record}))
    }

    /// Whether a line that the function wrote is kept. Only JSON logging filters; lines that are not JSON, or have no
    /// level, count as INFO (`facts` 2.7).
    pub(super) fn keeps(&self, message: &str) -> bool {
        let LogFormat::Json { application, .. } = self.config.format else {
            return true;
        };
        let level = serde_json::from_str::<serde_json::Value>(message.trim_end())
            .ok()
            .and_then(|value| {
                let named =
                    value.get("level").or_else(|| value.get("log_level"))?.as_str()?.to_ascii_uppercase();
                ApplicationLogLevel::parse(match named.as_str() {
                    "WARNING" => "WARN",
                    "CRITICAL" => "FATAL",
                    other => other,
                })
            })
            .unwrap_or(ApplicationLogLevel::Info);
        level >= application
    }
}

/// Two decimals, as the text lines have them.
fn milli(duration_ms: f64) -> f64 {
    (duration_ms * 1_000.0).round() / 1_000.0
}

fn text_status(status: &ReportStatus) -> String {
    match status {
        ReportStatus::Success => String::new(),
        ReportStatus::Timeout => "\tStatus: timeout".to_owned(),
        ReportStatus::Error(kind) => format!("\tStatus: error\tError Type: {kind}"),
    }
}

/// Follows REPORT in the same event.
fn xray_line(header: &str) -> String {
    let field = |name| trace_header::field(header, name).unwrap_or_default();
    format!("XRAY TraceId: {}\tSegmentId: {}\tSampled: true\t\n", field("Root"), field("Parent"))
}

/// As in the Telemetry API (`facts` 3.4), whose records these are.
fn set_tracing(record: &mut serde_json::Value, header: Option<&str>) {
    if let Some(header) = header {
        let span = trace_header::field(header, "Parent").unwrap_or_default();
        record["tracing"] = json!({"spanId": span, "type": "X-Amzn-Trace-Id", "value": header});
    }
}

fn set_status(record: &mut serde_json::Value, status: &ReportStatus) {
    let (text, kind) = match status {
        ReportStatus::Success => ("success", None),
        ReportStatus::Timeout => ("timeout", None),
        ReportStatus::Error(kind) => ("error", Some(kind)),
    };
    record["status"] = json!(text);
    if let Some(kind) = kind {
        record["errorType"] = json!(kind);
    }
}

#[cfg(test)]
mod tests {
    use lambent_domain::VersionNumber;

    use super::*;
    use lambent_domain::log_config::LogConfig;
    use lambent_domain::{AccountId, Region, Scope};

    fn target(format: LogFormat) -> LogTarget {
        LogTarget {
            scope: Scope {
                account: AccountId::parse("123456789012").unwrap(),
                region: Region::parse("us-east-1").unwrap(),
            },
            function_name: "f".into(),
            function_arn: "arn:aws:lambda:us-east-1:123456789012:function:f".into(),
            group: "/aws/lambda/f".into(),
            version: VersionNumber::Latest,
            stream: "2026/01/01/[$LATEST]00".into(),
            config: LogConfig { format, group: None },
            memory_mb: 128,
            runtime_version: "python:3.12.v1".into(),
            runtime_version_arn: "arn:aws:lambda:us-east-1::runtime:00".into(),
        }
    }

    fn report(init_ms: Option<f64>, status: ReportStatus) -> Report {
        Report {
            request_id: RequestId::from_random([0; 16]),
            duration_ms: 3.014,
            init_ms,
            status,
            traced: None,
        }
    }

    const ID: &str = "00000000-0000-4000-8000-000000000000";

    #[test]
    fn text_lines_are_awss_to_the_tab() {
        let target = target(LogFormat::Text);
        let id = RequestId::from_random([0; 16]);
        assert_eq!(target.start(0, &id).unwrap(), format!("START RequestId: {ID} Version: $LATEST\n"));
        assert_eq!(
            target.end(0, &report(Some(110.1), ReportStatus::Success), 36),
            [
                format!("END RequestId: {ID}\n"),
                format!(
                    "REPORT RequestId: {ID}\tDuration: 3.01 ms\tBilled Duration: 114 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 110.10 ms\t\n"
                )
            ]
        );
        let timed_out = target.end(0, &report(None, ReportStatus::Timeout), 36);
        assert!(timed_out[1].ends_with("Max Memory Used: 36 MB\tStatus: timeout\n"), "{timed_out:?}");
        assert_eq!(
            target.init_report(0, InitPhase::Init, 10_007.33, &ReportStatus::Timeout),
            "INIT_REPORT Init Duration: 10007.33 ms\tPhase: init\tStatus: timeout\n"
        );
    }

    #[test]
    fn json_lines_follow_the_system_level() {
        let json = |system| target(LogFormat::Json { application: ApplicationLogLevel::Info, system });
        let ok = report(None, ReportStatus::Success);
        assert_eq!(json(SystemLogLevel::Warn).end(0, &ok, 1).len(), 0);
        assert_eq!(json(SystemLogLevel::Info).end(0, &ok, 1).len(), 1);
        assert_eq!(json(SystemLogLevel::Debug).end(0, &ok, 1).len(), 2);
        let failed = report(None, ReportStatus::Error("Runtime.ExitError".into()));
        let line = json(SystemLogLevel::Warn).end(0, &failed, 1).remove(0);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["record"]["errorType"], "Runtime.ExitError");
        assert_eq!(value["time"], "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_sampled_request_is_in_its_report() {
        let header = "Root=1-0-0;Parent=0123456789abcdef;Sampled=1;Lineage=1:2:0";
        let sampled = Report { traced: Some(header.into()), ..report(None, ReportStatus::Success) };
        let text = target(LogFormat::Text).end(0, &sampled, 36).remove(1);
        let xray = "\t\nXRAY TraceId: 1-0-0\tSegmentId: 0123456789abcdef\tSampled: true\t\n";
        assert!(text.starts_with("REPORT ") && text.ends_with(xray), "{text}");
        let json = LogFormat::Json { application: ApplicationLogLevel::Info, system: SystemLogLevel::Debug };
        for line in target(json).end(0, &sampled, 36) {
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            let tracing = json!({"spanId": "0123456789abcdef", "type": "X-Amzn-Trace-Id", "value": header});
            assert_eq!(value["record"]["tracing"], tracing);
        }
    }

    #[test]
    fn only_json_logging_filters_by_level() {
        let json =
            target(LogFormat::Json { application: ApplicationLogLevel::Warn, system: SystemLogLevel::Info });
        assert!(!json.keeps("{\"level\":\"INFO\"}\n") && !json.keeps("plain\n"));
        assert!(json.keeps("{\"level\":\"ERROR\"}\n") && json.keeps("{\"level\":\"WARNING\"}"));
        assert!(target(LogFormat::Text).keeps("{\"level\":\"DEBUG\"}"));
    }
}
