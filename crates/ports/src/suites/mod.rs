//! Conformance suites, one module per port.
