//! Every bound has a name here, with its source. Sizes in bytes unless the name says otherwise.

/// Largest body of CreateFunction and UpdateFunctionCode (recorded error text).
pub const MAX_CREATE_REQUEST_BYTES: usize = 70_167_211;
/// Largest zip uploaded directly (recorded error text; AWS documentation: 50 MB).
pub const MAX_ZIP_BYTES: usize = 52_428_800;
/// Largest unpacked package, layers included (recorded error text; 250 MiB).
pub const MAX_UNZIPPED_BYTES: u64 = 262_144_000;
/// Most entries a package may have. AWS states none; without one, millions of empty files would exhaust inodes.
pub const MAX_ZIP_ENTRIES: usize = 200_000;
/// Longest path in a package, bytes. The kernel takes 4,096 with the place of the package in front.
pub const MAX_ZIP_PATH_BYTES: usize = 3_840;
/// Most directories that one path of a package goes through. AWS states none; removing a tree holds a descriptor for each.
pub const MAX_ZIP_DEPTH: usize = 200;
/// Largest payload of a synchronous invoke (recorded).
pub const MAX_SYNC_REQUEST_BYTES: usize = 6_291_456;
/// Largest response of a synchronous invoke: 6 MiB + 100 (recorded).
pub const MAX_SYNC_RESPONSE_BYTES: usize = 6_291_556;
/// Largest decoded client context (AWS documentation).
pub const MAX_CLIENT_CONTEXT_BYTES: usize = 3_583;
/// Bytes of log that `LogType=Tail` returns (AWS documentation).
pub const LOG_TAIL_BYTES: usize = 4_096;
/// Environment variables, measured as compact JSON of the map (recorded).
pub const MAX_ENVIRONMENT_BYTES: usize = 4_096;
/// Longest function name on its own (recorded).
pub const MAX_FUNCTION_NAME_CHARS: usize = 64;
/// Function timeout, seconds (model).
pub const TIMEOUT_S: std::ops::RangeInclusive<u32> = 1..=900;
/// Function memory, MB (AWS documentation; the model allows more for managed instances).
pub const MEMORY_MB: std::ops::RangeInclusive<u32> = 128..=10_240;
/// Size of `/tmp`, MB (AWS documentation).
pub const EPHEMERAL_STORAGE_MB: std::ops::RangeInclusive<u32> = 512..=10_240;
/// Defaults of CreateFunction (recorded).
pub const DEFAULT_TIMEOUT_S: u32 = 3;
/// Default memory, MB (recorded).
pub const DEFAULT_MEMORY_MB: u32 = 128;
/// Default `/tmp`, MB (recorded).
pub const DEFAULT_EPHEMERAL_STORAGE_MB: u32 = 512;
/// Memory that buys one full virtual CPU, MB (AWS documentation).
pub const MEMORY_MB_PER_VCPU: u32 = 1_769;
/// The init phase on demand, ms (AWS documentation). When it is over, init starts again within the first invoke.
pub const INIT_PHASE_MS: u64 = 10_000;
/// Concurrent executions of an account and region (AWS documentation, default quota).
pub const ACCOUNT_CONCURRENCY: u32 = 1_000;
/// Environments that a function may gain in ten seconds (AWS documentation).
pub const SCALING_RATE: u32 = 1_000;
/// How long a request waits for memory on a full host, ms. Judgement: shorter than any SDK waits, long enough for most others
/// to end.
pub const MEMORY_WAIT_MS: u64 = 10_000;
/// Requests that wait for memory at the same time. Judgement.
pub const MEMORY_QUEUE: usize = 100;
/// Total code storage, bytes (recorded GetAccountSettings: 75 GiB).
pub const TOTAL_CODE_BYTES: u64 = 80_530_636_800;
/// Open files of a function's process (recorded RLIMIT_NOFILE).
pub const OPEN_FILES: u64 = 1_024;
/// Processes and threads of an execution environment (AWS documentation: 1,024). The recorded RLIMIT_NPROC of 742 is what a
/// kernel sets by itself for a machine of that one's memory; it promises nobody anything.
pub const PROCESSES: u64 = 1_024;
/// Tags of a resource (AWS documentation).
pub const MAX_TAGS: usize = 50;
/// Largest page of most lists (AWS documentation).
pub const LIST_PAGE: usize = 50;
/// Largest page of lists whose items are small (model: MaxListItems).
pub const LIST_LONG_PAGE: usize = 10_000;
/// What the account keeps unreserved (recorded error text).
pub const UNRESERVED_MINIMUM: u32 = 100;
/// Layers of a function (recorded error text).
pub const MAX_LAYERS: usize = 5;
/// Resource policy of one resource, as JSON, in bytes (AWS documentation: 20 KB).
pub const MAX_POLICY_BYTES: usize = 20_480;
/// Largest event of an asynchronous invoke (model; 1 MB).
pub const MAX_EVENT_BYTES: usize = 1_048_576;
/// Largest event of the older InvokeAsync (AWS documentation: 256 KB).
pub const MAX_INVOKE_ASYNC_BYTES: usize = 262_144;
/// Further attempts when a function fails on an event (AWS documentation).
pub const DEFAULT_RETRY_ATTEMPTS: u32 = 2;
/// How old an event may become, seconds (AWS documentation: 6 h).
pub const DEFAULT_EVENT_AGE_S: u32 = 21_600;
/// `ErrorMessage` of a dead letter (AWS documentation: the first 1 KB).
pub const MAX_DEAD_LETTER_MESSAGE_BYTES: usize = 1_024;
/// Largest message of SQS (AWS documentation: 1 MiB).
pub const MAX_SQS_MESSAGE_BYTES: usize = 1_048_576;
/// Largest message of SNS (AWS documentation: 256 KB).
pub const MAX_SNS_MESSAGE_BYTES: usize = 262_144;
/// Largest entry of EventBridge (AWS documentation: 256 KB).
pub const MAX_EVENTBRIDGE_ENTRY_BYTES: usize = 262_144;
/// Calls of one function in a chain of requests; the next is one of a loop (AWS documentation: about 16).
pub const MAX_CHAINED_INVOCATIONS: u32 = 16;
/// Destinations in a row that an event may have come through: AWS stops a loop at about the 16th round (its documentation).
pub const MAX_DESTINATION_HOPS: u32 = 16;
