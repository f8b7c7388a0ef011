//! What each operation takes: metrics have no ARNs.

use lambent_api_kit::{Guarded, guards};
use lambent_ports::access::Need;
use lambent_wire::cloudwatch::operations as op;

use crate::CloudWatch;

impl Guarded for CloudWatch {
    const SIGNING_NAME: &'static str = "monitoring";
}

guards! { CloudWatch = "cloudwatch", op;
    GetMetricData => |_, _, _, action| Need::new(action, "*");
    GetMetricStatistics => |_, _, _, action| Need::new(action, "*");
    ListMetrics => |_, _, _, action| Need::new(action, "*");
    PutMetricData => |_, _, input, action| Need::new(action, "*").key("cloudwatch:namespace", &input.namespace);
}
