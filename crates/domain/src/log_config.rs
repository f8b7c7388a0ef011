//! How a function's log is written: format, levels, group.

/// `LoggingConfig` of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Text lines as AWS always wrote them, or JSON with levels.
    pub format: LogFormat,
    /// `None` means `/aws/lambda/<function name>`.
    pub group: Option<String>,
}

/// Levels exist only with the JSON format: with Text the API refuses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Tab-separated platform lines; the function's output as it is.
    Text,
    /// One JSON object per line.
    Json {
        /// Least level of the function's own lines that is kept.
        application: ApplicationLogLevel,
        /// Least level of platform lines that is kept.
        system: SystemLogLevel,
    },
}

/// `ApplicationLogLevel`, least severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum ApplicationLogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl ApplicationLogLevel {
    /// The API's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }

    /// The inverse of [`ApplicationLogLevel::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal]
            .into_iter()
            .find(|level| level.as_str() == text)
    }
}

/// `SystemLogLevel`, most talkative first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum SystemLogLevel {
    Debug,
    Info,
    Warn,
}

impl SystemLogLevel {
    /// The API's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
        }
    }

    /// The inverse of [`SystemLogLevel::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Debug, Self::Info, Self::Warn].into_iter().find(|level| level.as_str() == text)
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        LogConfig { format: LogFormat::Text, group: None }
    }
}
