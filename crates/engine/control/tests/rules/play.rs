//! A script's steps as requests, their answers against the reference, and a look at everything afterwards.

use std::cell::RefCell;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::reference::{
    Account, Alias, Content, Function, Life, Refusals, Rev, Version, conflict, invalid, malformed, missing,
    number_text, size, text, weight_list,
};
use crate::script::{
    ALIASES, AliasChange, FUNCTIONS, Number, Package, Qualifier, Revision, Setting, Sha, Step, Turn, Weights,
};
use crate::world::{ACCOUNT_CONCURRENCY, Answer, EPOCH_MS, PACKAGES, World};

/// A difference between what the reference says and what was answered.
pub type Outcome<T = ()> = Result<T, String>;

const FUNCTIONS_PATH: &str = "/2015-03-31/functions";
const ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function:";

/// The reference, and the time.
#[derive(Default)]
pub struct Play {
    pub account: Account,
    passed_ms: u64,
    /// Steps that were done and that were refused, by their kind.
    pub tally: RefCell<BTreeMap<String, (u32, u32)>>,
    /// Of the step that is being done.
    kind: String,
}

/// `what` as it was, or as it is.
fn same(what: &str, expected: &Value, shown: &Value) -> Outcome {
    if expected == shown { Ok(()) } else { Err(format!("{what}: expected {expected}, shown {shown}")) }
}

fn encoded(qualifier: Qualifier) -> String {
    text(qualifier).replace('$', "%24")
}

/// Path of a function, with what belongs to it.
fn path(f: usize, rest: &str) -> String {
    format!("{FUNCTIONS_PATH}/{}{rest}", FUNCTIONS[f])
}

fn zip(package: Package) -> String {
    BASE64.encode(match package {
        Package::Good(number) => &PACKAGES[number][..],
        Package::Bad => b"not a zip",
    })
}

fn sha256(package: usize) -> String {
    BASE64.encode(Sha256::digest(&PACKAGES[package]))
}

/// An object of what is there.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let there = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect())
}

fn routing(weights: &Weights) -> Value {
    match weights {
        Weights::Cleared { empty_map: false } => json!({}),
        other => {
            let map: Map<String, Value> = weight_list(other)
                .into_iter()
                .map(|(number, weight)| (number_text(number), json!(weight)))
                .collect();
            json!({"AdditionalVersionWeights": map})
        }
    }
}

impl Play {
    /// Whether it was done; an error when it should have been refused, should not, or for another reason.
    fn verdict(&self, refusals: &Refusals, answer: &Answer, success: u16) -> Outcome<bool> {
        if answer.status == success && refusals.is_empty() {
            return Ok(self.note(true));
        }
        let (code, message) = (answer.code.as_deref(), answer.message());
        let expected = refusals.iter().any(|(status, name, text)| {
            *status == answer.status && Some(*name) == code && message.contains(text.as_str())
        });
        if expected {
            Ok(self.note(false))
        } else {
            Err(format!("expected {success} or one of {refusals:?}; answered {answer:?}"))
        }
    }

    fn note(&self, done: bool) -> bool {
        let mut tally = self.tally.borrow_mut();
        let (dones, refusals) = tally.entry(self.kind.clone()).or_default();
        *(if done { dones } else { refusals }) += 1;
        done
    }

    /// One turn: what the step says, then a look at what it was about.
    pub async fn turn(&mut self, world: &World, turn: &Turn) -> Outcome {
        if turn.settled {
            self.settle(world).await;
        }
        world.advance(turn.after_ms.into());
        self.passed_ms += u64::from(turn.after_ms);
        let kind = format!("{:?}", turn.step);
        self.kind = kind.split(' ').next().unwrap_or_default().to_owned();
        let f = self.step(world, &turn.step).await?;
        self.kind = "look".to_owned();
        self.look_at(world, f, turn.page).await?;
        self.look_at_account(world).await
    }

    pub async fn settle(&mut self, world: &World) {
        world.settle().await;
        self.account.functions.values_mut().for_each(Function::settle);
    }

    /// `LastModified` of something that is changed now.
    fn now(&self) -> String {
        let (seconds, ms) = (self.passed_ms / 1_000, self.passed_ms % 1_000);
        assert!(seconds < 86_400, "a script takes less than a day from {EPOCH_MS}");
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        format!("2026-03-01T{hour:02}:{minute:02}:{second:02}.{ms:03}+0000")
    }

    fn function(&self, f: usize) -> Option<&Function> {
        self.account.functions.get(FUNCTIONS[f])
    }

    fn function_mut(&mut self, f: usize) -> &mut Function {
        self.account.functions.get_mut(FUNCTIONS[f]).expect("what was answered for exists")
    }

    /// The rule's refusals for a function that is there; that it is missing otherwise.
    fn of(&self, f: usize, refusals: impl FnOnce(&Function) -> Refusals) -> Refusals {
        match self.function(f) {
            Some(function) => refusals(function),
            None => vec![missing("Function not found: ")],
        }
    }

    fn revision(&self, current: Option<&Rev>, asked: Revision) -> Option<String> {
        let current = current.and_then(|revision| revision.0.clone());
        let garbage = || Some("no-revision".to_owned());
        match asked {
            Revision::None => None,
            Revision::Right => current.or_else(garbage),
            Revision::Old => self
                .account
                .old
                .iter()
                .rev()
                .find(|old| Some(*old) != current.as_ref())
                .cloned()
                .or_else(garbage),
            Revision::Garbage => garbage(),
        }
    }

    fn latest_revision(&self, f: usize, asked: Revision) -> Option<String> {
        self.revision(self.function(f).map(|function| &function.latest.revision), asked)
    }

    /// Does a step; which function it was about.
    async fn step(&mut self, world: &World, step: &Step) -> Outcome<usize> {
        match step {
            Step::Create { f, package, publish, description, tags } => {
                self.create(world, *f, *package, *publish, *description, *tags).await.map(|()| *f)
            }
            Step::UpdateCode { f, package, publish, dry_run, revision } => {
                self.update_code(world, *f, *package, *publish, *dry_run, *revision).await.map(|()| *f)
            }
            Step::UpdateConfiguration { f, setting, revision } => {
                self.update_configuration(world, *f, *setting, *revision).await.map(|()| *f)
            }
            Step::Publish { f, description, sha, revision } => {
                self.publish(world, *f, *description, *sha, *revision).await.map(|()| *f)
            }
            Step::CreateAlias { f, alias, version, weights, description } => self
                .create_alias(world, *f, *alias, *version, weights.as_ref(), *description)
                .await
                .map(|()| *f),
            Step::UpdateAlias { f, alias, change, revision } => {
                self.update_alias(world, *f, *alias, change, *revision).await.map(|()| *f)
            }
            Step::DeleteAlias { f, alias } => self.delete_alias(world, *f, *alias).await.map(|()| *f),
            Step::DeleteFunction { f } => {
                let answer = world.call("DELETE", &path(*f, ""), &Value::Null).await;
                if self.verdict(&self.of(*f, |_| Refusals::new()), &answer, 204)? {
                    self.account.functions.remove(FUNCTIONS[*f]);
                }
                Ok(*f)
            }
            Step::DeleteQualified { f, qualifier } => {
                self.delete_qualified(world, *f, *qualifier).await.map(|()| *f)
            }
            Step::PutReserved { f, count, qualified } => {
                self.put_reserved(world, *f, *count, *qualified).await.map(|()| *f)
            }
            Step::DeleteReserved { f } => {
                let path = format!("/2017-10-31/functions/{}/concurrency", FUNCTIONS[*f]);
                let answer = world.call("DELETE", &path, &Value::Null).await;
                if self.verdict(&self.of(*f, |_| Refusals::new()), &answer, 204)? {
                    self.function_mut(*f).reserved = None;
                }
                Ok(*f)
            }
            Step::PutProvisioned { f, qualifier, count } => {
                self.put_provisioned(world, *f, *qualifier, *count).await.map(|()| *f)
            }
            Step::DeleteProvisioned { f, qualifier } => {
                self.delete_provisioned(world, *f, *qualifier).await.map(|()| *f)
            }
            Step::Tag { f, from, count, qualified } => {
                self.tag(world, *f, *from, *count, *qualified).await.map(|()| *f)
            }
            Step::Untag { f, from, count } => self.untag(world, *f, *from, *count).await.map(|()| *f),
            Step::Get { f, qualifier } => self.get(world, *f, *qualifier).await.map(|()| *f),
            Step::GetAlias { f, alias } => {
                let answer = world
                    .call("GET", &path(*f, &format!("/aliases/{}", ALIASES[*alias])), &Value::Null)
                    .await;
                let there =
                    self.function(*f).is_some_and(|function| function.aliases.contains_key(ALIASES[*alias]));
                // A missing function may be said to be missing itself: which AWS says is not known.
                let refusals = if there {
                    vec![]
                } else {
                    vec![missing("Cannot find alias arn: "), missing("Function not found: ")]
                };
                if self.verdict(&refusals, &answer, 200)? {
                    self.check_alias(*f, ALIASES[*alias], &answer.body)?;
                }
                Ok(*f)
            }
            Step::GetProvisioned { f, qualifier } => {
                self.get_provisioned(world, *f, *qualifier).await.map(|()| *f)
            }
            Step::AliasesOf { f, version, page } => {
                self.aliases_of(world, *f, *version, *page).await.map(|()| *f)
            }
            // The world's end, and the next one's beginning, are not this one's to see.
            Step::Restart => Ok(0),
        }
    }

    async fn create(
        &mut self,
        world: &World,
        f: usize,
        package: Package,
        publish: bool,
        description: Option<u8>,
        tags: u8,
    ) -> Outcome {
        let description = description.map(|number| format!("d{number}"));
        let tags: BTreeMap<String, String> =
            (0..tags).map(|number| (format!("k{number}"), "created".into())).collect();
        let body = object([
            ("FunctionName", Some(json!(FUNCTIONS[f]))),
            ("Runtime", Some(json!("python3.12"))),
            ("Handler", Some(json!("app.handler"))),
            ("Role", Some(json!("arn:aws:iam::123456789012:role/r"))),
            ("Code", Some(json!({"ZipFile": zip(package)}))),
            ("Publish", Some(json!(publish))),
            ("Description", description.as_ref().map(|text| json!(text))),
            ("Tags", Some(json!(tags))),
        ]);
        let answer = world.call("POST", FUNCTIONS_PATH, &body).await;
        let mut refusals = self.account.package_refusals(package, if publish { 2 } else { 1 }, 0);
        if self.function(f).is_some() {
            refusals.push(conflict(&format!("Function already exist: {}", FUNCTIONS[f])));
        }
        if !self.verdict(&refusals, &answer, 201)? {
            return Ok(());
        }
        let Package::Good(package) = package else { return Err("created from no zip".into()) };
        let content = Content {
            package,
            description: description.unwrap_or_default(),
            timeout: 3,
            memory: 128,
            variables: None,
        };
        let latest =
            Version { content, life: Life::Creating, revision: Rev::default(), modified: self.now() };
        let mut function = Function {
            latest,
            versions: BTreeMap::new(),
            last_number: 0,
            published: None,
            aliases: BTreeMap::new(),
            tags,
            reserved: None,
            provisioned: BTreeMap::new(),
        };
        if publish {
            function.publish(None, Life::Creating);
        }
        self.account.functions.insert(FUNCTIONS[f], function);
        let number = if publish { Number::Version(1) } else { Number::Latest };
        // With Publish the version, under the function's own ARN.
        self.check_version(f, number, None, true, &answer.body)
    }

    async fn update_code(
        &mut self,
        world: &World,
        f: usize,
        package: Package,
        publish: bool,
        dry_run: bool,
        revision: Revision,
    ) -> Outcome {
        let revision = self.latest_revision(f, revision);
        let body = object([
            ("ZipFile", Some(json!(zip(package)))),
            ("Publish", Some(json!(publish))),
            ("DryRun", Some(json!(dry_run))),
            ("RevisionId", revision.as_ref().map(|text| json!(text))),
        ]);
        let answer = world.call("PUT", &path(f, "/code"), &body).await;
        let refusals = self.of(f, |function| {
            let mut refusals = function.not_now(revision.as_deref());
            let mut next = function.clone();
            if let Package::Good(package) = package {
                next.latest.content.package = package;
            }
            let copies = if publish && next.changed_since_published() { 2 } else { 1 };
            let old = size(function.latest.content.package);
            refusals.extend(match package {
                // A dry run stores nothing: judgement that it needs no room.
                Package::Good(_) if dry_run => Refusals::new(),
                _ => self.account.package_refusals(package, copies, old),
            });
            refusals
        });
        if !self.verdict(&refusals, &answer, 200)? {
            return Ok(());
        }
        let Package::Good(package) = package else { return Err("updated to no zip".into()) };
        same("CodeSha256", &json!(sha256(package)), &answer.body["CodeSha256"])?;
        if dry_run {
            return same("CodeSize", &json!(size(package)), &answer.body["CodeSize"]);
        }
        let now = self.now();
        let function = self.function_mut(f);
        function.latest.content.package = package;
        function.latest.life = Life::Updating;
        function.latest.modified = now;
        function.latest.revision = Rev::default();
        if !publish {
            return self.check_version(f, Number::Latest, None, true, &answer.body);
        }
        let number = function.publish(None, Life::Creating);
        self.check_version(f, Number::Version(number), Some(&number.to_string()), true, &answer.body)
    }

    async fn update_configuration(
        &mut self,
        world: &World,
        f: usize,
        setting: Setting,
        revision: Revision,
    ) -> Outcome {
        let revision = self.latest_revision(f, revision);
        let mut body = match setting {
            Setting::Nothing => json!({}),
            Setting::Description(number) => json!({"Description": format!("d{number}")}),
            Setting::Timeout(number) => json!({"Timeout": 3 + number}),
            Setting::Memory(number) => json!({"MemorySize": 128 + u32::from(number)}),
            Setting::Variable(0) => json!({"Environment": {"Variables": {}}}),
            Setting::Variable(number) => json!({"Environment": {"Variables": {"KEY": number.to_string()}}}),
        };
        if let Some(revision) = &revision {
            body["RevisionId"] = json!(revision);
        }
        let answer = world.call("PUT", &path(f, "/configuration"), &body).await;
        if !self.verdict(&self.of(f, |function| function.not_now(revision.as_deref())), &answer, 200)? {
            return Ok(());
        }
        let now = self.now();
        let latest = &mut self.function_mut(f).latest;
        Account::set(&mut latest.content, setting);
        latest.life = Life::Updating;
        latest.modified = now;
        latest.revision = Rev::default();
        self.check_version(f, Number::Latest, None, true, &answer.body)
    }

    async fn publish(
        &mut self,
        world: &World,
        f: usize,
        description: Option<u8>,
        sha: Sha,
        revision: Revision,
    ) -> Outcome {
        let revision = self.latest_revision(f, revision);
        // Of another form than those that $LATEST gets: whether a $LATEST that gets its version's own description has
        // changed since, is not known of AWS.
        let description = description.map(|number| format!("p{number}"));
        let current = self.function(f).map(|function| function.latest.content.package);
        let sha = match sha {
            Sha::None => None,
            Sha::Right => current.map(|package| (sha256(package), true)),
            Sha::Wrong => current.map(|package| (sha256((package + 1) % PACKAGES.len()), false)),
        };
        let body = object([
            ("Description", description.as_ref().map(|text| json!(text))),
            ("CodeSha256", sha.as_ref().map(|(text, _)| json!(text))),
            ("RevisionId", revision.as_ref().map(|text| json!(text))),
        ]);
        let answer = world.call("POST", &path(f, "/versions"), &body).await;
        let refusals = self.of(f, |function| {
            let mut refusals = function.not_now(revision.as_deref());
            if let Some((_, false)) = sha {
                refusals.push(invalid("is different from current CodeSHA256 in $LATEST ("));
            }
            if function.changed_since_published() {
                refusals.extend(self.account.room_refusals(size(function.latest.content.package), 0));
            }
            refusals
        });
        if !self.verdict(&refusals, &answer, 201)? {
            return Ok(());
        }
        let number = self.function_mut(f).publish(description.as_deref(), Life::Active);
        self.check_version(f, Number::Version(number), Some(&number.to_string()), true, &answer.body)
    }

    async fn create_alias(
        &mut self,
        world: &World,
        f: usize,
        alias: usize,
        version: Number,
        weights: Option<&Weights>,
        description: Option<u8>,
    ) -> Outcome {
        let description = description.map(|number| format!("alias {number}"));
        let body = object([
            ("Name", Some(json!(ALIASES[alias]))),
            ("FunctionVersion", Some(json!(number_text(version)))),
            ("Description", description.as_ref().map(|text| json!(text))),
            ("RoutingConfig", weights.map(routing)),
        ]);
        let answer = world.call("POST", &path(f, "/aliases"), &body).await;
        let weights = weights.map(weight_list).unwrap_or_default();
        let refusals = self.of(f, |function| {
            let mut refusals = function.alias_refusals(version, &weights, false);
            if function.aliases.contains_key(ALIASES[alias]) {
                refusals.push(conflict("Alias already exists: "));
            }
            refusals
        });
        if !self.verdict(&with_shape(refusals, &weights), &answer, 201)? {
            return Ok(());
        }
        let new = Alias {
            version,
            weighted: weighted(&weights),
            description: description.unwrap_or_default(),
            revision: Rev::default(),
        };
        self.function_mut(f).aliases.insert(ALIASES[alias], new);
        self.check_alias(f, ALIASES[alias], &answer.body)
    }

    async fn update_alias(
        &mut self,
        world: &World,
        f: usize,
        alias: usize,
        change: &AliasChange,
        revision: Revision,
    ) -> Outcome {
        let name = ALIASES[alias];
        let current = self.function(f).and_then(|function| function.aliases.get(name)).cloned();
        let revision = self.revision(current.as_ref().map(|alias| &alias.revision), revision);
        let description = change.description.map(|number| format!("alias {number}"));
        let body = object([
            ("FunctionVersion", change.version.map(|version| json!(number_text(version)))),
            ("Description", description.as_ref().map(|text| json!(text))),
            ("RoutingConfig", change.weights.as_ref().map(routing)),
            ("RevisionId", revision.as_ref().map(|text| json!(text))),
        ]);
        let answer = world.call("PUT", &path(f, &format!("/aliases/{name}")), &body).await;
        let asked = change.weights.as_ref().map(weight_list);
        let kept = current.as_ref().and_then(|alias| alias.weighted);
        let weights = asked.clone().unwrap_or_else(|| {
            kept.into_iter().map(|(number, weight)| (Number::Version(number), weight)).collect()
        });
        let refusals = self.of(f, |function| match &current {
            None => vec![missing("Alias not found: ")],
            Some(alias) => {
                let version = change.version.unwrap_or(alias.version);
                let is_provisioned = function.provisioned.contains_key(name);
                let mut refusals = function.alias_refusals(version, &weights, is_provisioned);
                refusals.extend(function.alias_stale(name, revision.as_deref()));
                refusals
            }
        });
        let refusals = with_shape(refusals, &asked.unwrap_or_default());
        if !self.verdict(&refusals, &answer, 200)? {
            return Ok(());
        }
        let alias =
            self.function_mut(f).aliases.get_mut(name).ok_or("an alias that is not there was changed")?;
        alias.version = change.version.unwrap_or(alias.version);
        alias.weighted = weighted(&weights);
        alias.description = description.unwrap_or_else(|| alias.description.clone());
        alias.revision = Rev::default();
        self.check_alias(f, name, &answer.body)
    }

    async fn delete_alias(&mut self, world: &World, f: usize, alias: usize) -> Outcome {
        let name = ALIASES[alias];
        let answer = world.call("DELETE", &path(f, &format!("/aliases/{name}")), &Value::Null).await;
        if self.verdict(&self.of(f, |_| Refusals::new()), &answer, 204)? {
            let function = self.function_mut(f);
            function.aliases.remove(name);
            function.provisioned.remove(name);
        }
        Ok(())
    }

    async fn delete_qualified(&mut self, world: &World, f: usize, qualifier: Qualifier) -> Outcome {
        let path = path(f, &format!("?Qualifier={}", encoded(qualifier)));
        let answer = world.call("DELETE", &path, &Value::Null).await;
        let refusals = self.of(f, |function| function.delete_refusals(qualifier));
        if self.verdict(&refusals, &answer, 204)?
            && let Qualifier::Number(Number::Version(number)) = qualifier
        {
            let function = self.function_mut(f);
            function.versions.remove(&number);
            function.provisioned.remove(&number.to_string());
        }
        Ok(())
    }

    async fn put_reserved(&mut self, world: &World, f: usize, count: i32, qualified: bool) -> Outcome {
        let suffix = if qualified { ":1" } else { "" };
        let path = format!("/2017-10-31/functions/{}{suffix}/concurrency", FUNCTIONS[f]);
        let answer = world.call("PUT", &path, &json!({"ReservedConcurrentExecutions": count})).await;
        let mut refusals = self.of(f, |function| self.account.reserved_refusals(function, count.into()));
        if count < 0 {
            refusals.push(malformed());
        }
        if qualified {
            refusals.push(invalid("This operation is permitted on Lambda functions only."));
        }
        if self.verdict(&refusals, &answer, 200)? {
            same("put", &json!({"ReservedConcurrentExecutions": count}), &answer.body)?;
            self.function_mut(f).reserved = Some(count.into());
        }
        Ok(())
    }

    async fn put_provisioned(
        &mut self,
        world: &World,
        f: usize,
        qualifier: Qualifier,
        count: i32,
    ) -> Outcome {
        let answer = world
            .call("PUT", &provisioned_path(f, qualifier), &json!({"ProvisionedConcurrentExecutions": count}))
            .await;
        let mut refusals =
            self.of(f, |function| self.account.put_provisioned_refusals(function, qualifier, count.into()));
        if count < 1 {
            refusals.push(malformed());
        }
        if qualifier == Qualifier::Number(Number::Latest) {
            refusals.push(invalid("Provisioned Concurrency Configs cannot be applied to unpublished"));
        }
        if !self.verdict(&refusals, &answer, 202)? {
            return Ok(());
        }
        let modified = self.now_s();
        let shown = json!({
            "RequestedProvisionedConcurrentExecutions": count,
            "AvailableProvisionedConcurrentExecutions": 0,
            "AllocatedProvisionedConcurrentExecutions": 0,
            "Status": "IN_PROGRESS",
            "LastModified": modified,
        });
        self.function_mut(f).provisioned.insert(text(qualifier), (count.into(), modified));
        same("put", &shown, &answer.body)
    }

    /// Provisioned concurrency shows no milliseconds.
    fn now_s(&self) -> String {
        let now = self.now();
        format!("{}+0000", &now[..now.len() - ".000+0000".len()])
    }

    async fn delete_provisioned(&mut self, world: &World, f: usize, qualifier: Qualifier) -> Outcome {
        let answer = world.call("DELETE", &provisioned_path(f, qualifier), &Value::Null).await;
        let refusals =
            with_latest(self.of(f, |function| function.provisioned_refusals(qualifier)), qualifier);
        if self.verdict(&refusals, &answer, 204)? {
            self.function_mut(f).provisioned.remove(&text(qualifier));
        }
        Ok(())
    }

    async fn get_provisioned(&mut self, world: &World, f: usize, qualifier: Qualifier) -> Outcome {
        let answer = world.call("GET", &provisioned_path(f, qualifier), &Value::Null).await;
        let mut refusals =
            with_latest(self.of(f, |function| function.provisioned_refusals(qualifier)), qualifier);
        let there = self.function(f).and_then(|function| function.provisioned.get(&text(qualifier)));
        if there.is_none() && refusals.is_empty() {
            let text = "No Provisioned Concurrency Config found for this function".to_owned();
            refusals.push((404, "ProvisionedConcurrencyConfigNotFoundException", text));
        }
        if let (true, Some((count, modified))) = (self.verdict(&refusals, &answer, 200)?, there) {
            same("requested", &json!(count), &answer.body["RequestedProvisionedConcurrentExecutions"])?;
            same("modified", &json!(modified), &answer.body["LastModified"])?;
        }
        Ok(())
    }

    async fn tag(&mut self, world: &World, f: usize, from: u8, count: u8, qualified: bool) -> Outcome {
        let tags: BTreeMap<String, String> = (from..from + count)
            .map(|number| (format!("k{number}"), format!("v{}", self.passed_ms)))
            .collect();
        let suffix = if qualified { ":1" } else { "" };
        let path = format!("/2017-03-31/tags/{ARN}{}{suffix}", FUNCTIONS[f]);
        let answer = world.call("POST", &path, &json!({"Tags": tags})).await;
        let mut refusals = self.of(f, |function| {
            let all: BTreeMap<_, _> = function.tags.iter().chain(&tags).collect();
            if all.len() > 50 {
                return vec![invalid("Number of tags exceeds resource tag limit.")];
            }
            Refusals::new()
        });
        if qualified {
            refusals.push(invalid("Tags on function aliases and versions are not supported."));
        }
        if tags.is_empty() {
            let text = "An error occurred and the request cannot be processed.";
            refusals.push(invalid(text));
        }
        if self.verdict(&refusals, &answer, 204)? {
            let function = self.function_mut(f);
            function.tags.extend(tags);
            function.latest.revision = Rev::default();
        }
        Ok(())
    }

    async fn untag(&mut self, world: &World, f: usize, from: u8, count: u8) -> Outcome {
        let keys: Vec<String> = (from..from + count).map(|number| format!("tagKeys=k{number}")).collect();
        let path = format!("/2017-03-31/tags/{ARN}{}?{}", FUNCTIONS[f], keys.join("&"));
        let answer = world.call("DELETE", &path, &Value::Null).await;
        if self.verdict(&self.of(f, |_| Refusals::new()), &answer, 204)? {
            let function = self.function_mut(f);
            (from..from + count).for_each(|number| drop(function.tags.remove(&format!("k{number}"))));
            function.latest.revision = Rev::default();
        }
        Ok(())
    }

    async fn get(&mut self, world: &World, f: usize, qualifier: Option<Qualifier>) -> Outcome {
        let query =
            qualifier.map(|qualifier| format!("?Qualifier={}", encoded(qualifier))).unwrap_or_default();
        let number = self.function(f).and_then(|function| function.number(qualifier));
        let refusals = if number.is_some() { vec![] } else { vec![missing("Function not found: ")] };
        let configuration =
            world.call("GET", &path(f, &format!("/configuration{query}")), &Value::Null).await;
        let whole = world.call("GET", &path(f, &query), &Value::Null).await;
        let suffix = qualifier.map(text);
        for (answer, shown) in [(&configuration, &configuration.body), (&whole, &whole.body["Configuration"])]
        {
            if let (true, Some(number)) = (self.verdict(&refusals, answer, 200)?, number) {
                self.check_version(f, number, suffix.as_deref(), true, shown)?;
            }
        }
        let Some(function) = self.function(f).filter(|_| number.is_some()) else { return Ok(()) };
        let tags = if function.tags.is_empty() { Value::Null } else { json!(function.tags) };
        same("Tags", &tags, &whole.body["Tags"])?;
        let reserved = function.reserved.map(|count| json!({"ReservedConcurrentExecutions": count}));
        same("Concurrency", &reserved.unwrap_or_default(), &whole.body["Concurrency"])
    }

    async fn aliases_of(&mut self, world: &World, f: usize, version: Number, page: u8) -> Outcome {
        let filter = format!("FunctionVersion={}&", encoded(Qualifier::Number(version)));
        let listed = pages(world, &path(f, "/aliases"), &filter, "Aliases", page).await;
        if self.function(f).is_none() {
            return listed.err().map(drop).ok_or_else(|| "aliases of a missing function".into());
        }
        let points = |alias: &Alias| {
            alias.version == version
                || alias.weighted.is_some_and(|(other, _)| Number::Version(other) == version)
        };
        let aliases = self.function_mut(f).aliases.iter();
        let names: Vec<&str> = aliases.filter(|(_, alias)| points(alias)).map(|(name, _)| *name).collect();
        let shown: Vec<Value> = listed?.iter().map(|alias| alias["Name"].clone()).collect();
        same("aliases of a version", &json!(names), &json!(shown))
    }

    /// Everything that can be seen of a function.
    async fn look_at(&mut self, world: &World, f: usize, page: u8) -> Outcome {
        self.get(world, f, None).await?;
        if self.function(f).is_none() {
            return Ok(());
        }
        let versions = pages(world, &path(f, "/versions"), "", "Versions", page).await?;
        let numbers: Vec<Number> = {
            let published = self.function_mut(f).versions.keys().map(|number| Number::Version(*number));
            [Number::Latest].into_iter().chain(published).collect()
        };
        let shown: Vec<&Value> = versions.iter().map(|version| &version["Version"]).collect();
        let expected: Vec<String> = numbers.iter().map(|number| number_text(*number)).collect();
        same("versions", &json!(expected), &json!(shown))?;
        for (number, shown) in numbers.into_iter().zip(&versions) {
            self.check_version(f, number, Some(&number_text(number)), false, shown)?;
            let whole = match number {
                Number::Version(_) => Some(Qualifier::Number(number)),
                Number::Latest => None,
            };
            // What lists leave out.
            self.get(world, f, whole).await?;
        }
        let aliases = pages(world, &path(f, "/aliases"), "", "Aliases", page).await?;
        let names: Vec<&'static str> = self.function_mut(f).aliases.keys().copied().collect();
        let shown: Vec<&Value> = aliases.iter().map(|alias| &alias["Name"]).collect();
        same("aliases", &json!(names), &json!(shown))?;
        for (name, shown) in names.into_iter().zip(&aliases) {
            self.check_alias(f, name, shown)?;
        }
        self.look_at_concurrency(world, f, page).await?;
        let current = self.function_mut(f).latest.revision.0.clone();
        self.account.old.extend(current);
        Ok(())
    }

    async fn look_at_concurrency(&mut self, world: &World, f: usize, page: u8) -> Outcome {
        let name = FUNCTIONS[f];
        let reserved =
            world.call("GET", &format!("/2019-09-30/functions/{name}/concurrency"), &Value::Null).await;
        let function = self.function_mut(f);
        let expected =
            object([("ReservedConcurrentExecutions", function.reserved.map(|count| json!(count)))]);
        same("reserved", &expected, &reserved.body)?;
        let expected: Vec<Value> = function
            .provisioned
            .iter()
            .map(|(qualifier, (count, modified))| {
                json!([format!("{ARN}{name}:{qualifier}"), count, modified])
            })
            .collect();
        let path = format!("/2019-09-30/functions/{name}/provisioned-concurrency");
        let listed = pages(world, &path, "List=ALL&", "ProvisionedConcurrencyConfigs", page).await?;
        let members = ["FunctionArn", "RequestedProvisionedConcurrentExecutions", "LastModified"];
        let shown: Vec<Value> =
            listed.iter().map(|item| members.iter().map(|member| item[*member].clone()).collect()).collect();
        same("provisioned", &json!(expected), &json!(shown))
    }

    async fn look_at_account(&mut self, world: &World) -> Outcome {
        let shown = world.call("GET", "/2016-08-19/account-settings", &Value::Null).await.body;
        let usage = json!({
            "FunctionCount": self.account.functions.len(),
            "TotalCodeSize": self.account.code_bytes(),
        });
        for (member, value) in usage.as_object().into_iter().flatten() {
            same(member, value, &shown["AccountUsage"][member])?;
        }
        let limit = &shown["AccountLimit"];
        same("account", &json!(ACCOUNT_CONCURRENCY), &limit["ConcurrentExecutions"])?;
        same("unreserved", &json!(self.account.unreserved()), &limit["UnreservedConcurrentExecutions"])
    }

    /// Everything there is.
    pub async fn look_at_all(&mut self, world: &World) -> Outcome {
        for f in 0..FUNCTIONS.len() {
            self.look_at(world, f, 2).await?;
        }
        self.look_at_account(world).await?;
        let listed = pages(world, FUNCTIONS_PATH, "", "Functions", 2).await?;
        let names: Vec<&&str> = self.account.functions.keys().collect();
        let shown: Vec<&Value> = listed.iter().map(|function| &function["FunctionName"]).collect();
        same("functions", &json!(names), &json!(shown))?;
        for shown in &listed {
            let f = FUNCTIONS.iter().position(|name| shown["FunctionName"] == *name).ok_or("a stranger")?;
            self.check_version(f, Number::Latest, None, false, shown)?;
        }
        let all = pages(world, FUNCTIONS_PATH, "FunctionVersion=ALL&", "Functions", 3).await?;
        let shown: Vec<&Value> = all.iter().map(|version| &version["FunctionArn"]).collect();
        let mut expected = Vec::new();
        for (name, function) in &self.account.functions {
            expected.push(format!("{ARN}{name}:$LATEST"));
            expected.extend(function.versions.keys().map(|number| format!("{ARN}{name}:{number}")));
        }
        same("versions of all", &json!(expected), &json!(shown))
    }

    fn check_alias(&mut self, f: usize, name: &str, shown: &Value) -> Outcome {
        let Account { functions, seen, .. } = &mut self.account;
        let function = functions.get_mut(FUNCTIONS[f]).ok_or("an alias of a missing function")?;
        let alias = function.aliases.get_mut(name).ok_or("an alias that is not there")?;
        let weights = alias
            .weighted
            .map(|(number, weight)| json!({"AdditionalVersionWeights": {number.to_string(): weight}}));
        let revision = shown["RevisionId"].as_str().unwrap_or_default();
        alias.revision.observe(revision, seen).map_err(|error| format!("alias {name}: {error}"))?;
        let expected = object([
            ("AliasArn", Some(json!(format!("{ARN}{}:{name}", FUNCTIONS[f])))),
            ("Name", Some(json!(name))),
            ("FunctionVersion", Some(json!(number_text(alias.version)))),
            ("Description", Some(json!(alias.description))),
            ("RoutingConfig", weights),
            ("RevisionId", Some(json!(revision))),
        ]);
        same("alias", &expected, shown)
    }

    /// `full` as Get shows it; otherwise as lists do.
    fn check_version(
        &mut self,
        f: usize,
        number: Number,
        suffix: Option<&str>,
        full: bool,
        shown: &Value,
    ) -> Outcome {
        let Account { functions, seen, .. } = &mut self.account;
        let function = functions.get_mut(FUNCTIONS[f]).ok_or("a version of a missing function")?;
        let version = match number {
            Number::Latest => &mut function.latest,
            Number::Version(number) => {
                function.versions.get_mut(&number).ok_or("a version that is not there")?
            }
        };
        let suffix = suffix.map(|suffix| format!(":{suffix}")).unwrap_or_default();
        let content = &version.content;
        let (state, reason, update) = match version.life {
            _ if !full => (None, None, None),
            Life::Creating => (Some("Pending"), Some("Creating"), None),
            Life::Active => (Some("Active"), None, Some("Successful")),
            Life::Updating => (Some("Active"), None, Some("InProgress")),
        };
        let expected = [
            ("FunctionName", json!(FUNCTIONS[f])),
            ("FunctionArn", json!(format!("{ARN}{}{suffix}", FUNCTIONS[f]))),
            ("Version", json!(number_text(number))),
            ("Description", json!(content.description)),
            ("Timeout", json!(content.timeout)),
            ("MemorySize", json!(content.memory)),
            ("CodeSize", json!(size(content.package))),
            ("CodeSha256", json!(sha256(content.package))),
            // Of a version: when what it was published from was changed. Judgement.
            ("LastModified", json!(version.modified)),
            (
                "Environment",
                content.variables.as_ref().map(|map| json!({"Variables": map})).unwrap_or_default(),
            ),
            ("State", json!(state)),
            ("StateReasonCode", json!(reason)),
            ("LastUpdateStatus", json!(update)),
        ];
        for (member, value) in &expected {
            same(&format!("{member} of {}", number_text(number)), value, &shown[*member])?;
        }
        let revision = shown["RevisionId"].as_str().unwrap_or_default();
        version.revision.observe(revision, seen).map_err(|error| format!("{}: {error}", number_text(number)))
    }
}

fn provisioned_path(f: usize, qualifier: Qualifier) -> String {
    let name = FUNCTIONS[f];
    format!("/2019-09-30/functions/{name}/provisioned-concurrency?Qualifier={}", encoded(qualifier))
}

/// `$LATEST` is refused whether the function is there or not.
fn with_latest(mut refusals: Refusals, qualifier: Qualifier) -> Refusals {
    if qualifier == Qualifier::Number(Number::Latest) {
        let text = "The function resource provided must be an alias or a published version.";
        refusals.push(invalid(text));
    }
    refusals
}

/// Weights of a wrong form are refused whether the function is there or not.
fn with_shape(mut refusals: Refusals, weights: &[(Number, f64)]) -> Refusals {
    if weights.iter().any(|(number, weight)| *number == Number::Latest || !(0.0..=1.0).contains(weight)) {
        refusals.push(malformed());
    }
    refusals
}

fn weighted(weights: &[(Number, f64)]) -> Option<(u64, f64)> {
    weights.iter().find_map(|(number, weight)| match number {
        Number::Version(number) => Some((*number, *weight)),
        Number::Latest => None,
    })
}

/// All pages of a list, one after the other.
async fn pages(world: &World, path: &str, filter: &str, member: &str, size: u8) -> Outcome<Vec<Value>> {
    let (mut items, mut marker) = (Vec::new(), None::<String>);
    loop {
        let after = marker.take().map(|marker| format!("&Marker={marker}")).unwrap_or_default();
        let answer = world.call("GET", &format!("{path}?{filter}MaxItems={size}{after}"), &Value::Null).await;
        let page = answer.body[member].as_array().filter(|_| answer.status == 200);
        let page = page.ok_or_else(|| format!("a list was answered with {answer:?}"))?;
        marker = answer.body["NextMarker"].as_str().map(str::to_owned);
        if page.len() > size.into() || (marker.is_some() && page.len() < size.into()) {
            return Err(format!("a page of {} with {size} wanted, marker {marker:?}", page.len()));
        }
        items.extend(page.iter().cloned());
        if marker.is_none() {
            return Ok(items);
        }
    }
}
