//! What it costs to know who asks and whether they may: `cargo run --release -p lambent-auth --example verification`.
#![allow(clippy::print_stdout, reason = "it is a measurement")]

mod one_account;

use std::time::Instant;

use lambent_ports::access::{Circumstances, Gate, Need, Sessions};
use one_account::{Asked, NOW_MS, ROLE, World};

/// How often each is done.
const TIMES: usize = 20_000;
/// Promised, µs.
const MOST: f64 = 20.0;

fn median_us(mut work: impl FnMut()) -> f64 {
    let mut taken: Vec<f64> = (0..TIMES)
        .map(|_| {
            let began = Instant::now();
            work();
            began.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    taken.sort_by(f64::total_cmp);
    taken[TIMES / 2]
}

fn main() {
    let world = World::new();
    let key = Asked::with("AKIAROOT", "root", None, NOW_MS);
    let issued = world.auth.issue(&world.auth.of_role(ROLE, "f", None), NOW_MS + 3_600_000);
    let (id, secret) = (&issued.access_key_id, &issued.secret_access_key);
    let session = Asked::with(id, secret, Some(&issued.session_token), NOW_MS);
    let who = world.who(&session).expect("the session is known");
    let need = Need::new("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:123456789012:function:f");
    let circumstances = Circumstances { region: "us-east-1".into(), ..Circumstances::default() };
    let rows = [
        ("signature of a key", median_us(|| drop(world.who(&key).expect("it holds")))),
        ("signature of a session", median_us(|| drop(world.who(&session).expect("it holds")))),
        ("decision for a role", median_us(|| world.auth.may(&who, &circumstances, &need).expect("it may"))),
    ];
    for (what, us) in rows {
        println!("{what:<28} {us:6.1} µs (at most {MOST})");
    }
    let over = rows.iter().any(|(_, us)| *us > MOST);
    std::process::exit(i32::from(over));
}
