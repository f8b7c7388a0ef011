//! Metric math. Input: an expression.

/// An expression has a value or is refused with a reason, in bounded time and on a bounded stack.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Err(reason) = lambent_cloudwatch::check_expression(&text) {
        assert!(!reason.is_empty(), "a refusal says why");
    }
}
