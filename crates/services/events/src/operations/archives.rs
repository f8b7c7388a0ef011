//! CreateArchive, DescribeArchive, UpdateArchive, ListArchives and DeleteArchive.

use lambent_api_kit::{Context, Handle};
use lambent_domain::RequestId;
use lambent_event_pattern::Pattern;
use lambent_ports::outbox::{Change, JournalSize};
use lambent_wire::events::operations::create_archive::{CreateArchiveRequest, CreateArchiveResponse};
use lambent_wire::events::operations::delete_archive::{DeleteArchiveRequest, DeleteArchiveResponse};
use lambent_wire::events::operations::describe_archive::{DescribeArchiveRequest, DescribeArchiveResponse};
use lambent_wire::events::operations::list_archives::{self, ListArchivesRequest, ListArchivesResponse};
use lambent_wire::events::operations::update_archive::{UpdateArchiveRequest, UpdateArchiveResponse};
use lambent_wire::events::operations::{
    CreateArchive, DeleteArchive, DescribeArchive, ListArchives, UpdateArchive,
};

use crate::paging::page;
use crate::record::{Archive, BusKey, NameKey, arn};
use crate::state::Write;
use crate::{Events, EventsFault, naming};

/// An archive's state here: it is made and changed at once.
const ENABLED: &str = "ENABLED";

fn archive_arn(key: &NameKey) -> String {
    arn(&key.scope, &format!("archive/{}", key.name))
}

fn seconds(at_ms: u64) -> f64 {
    at_ms as f64 / 1_000.0
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn check(kms: bool, pattern: Option<&str>) -> Result<(), EventsFault> {
    if kms {
        return Err(EventsFault::unsupported("KmsKeyIdentifier", "there are no keys of KMS"));
    }
    pattern.map(Pattern::compile).transpose()?;
    Ok(())
}

/// The bus of an archive's source.
pub(super) fn source(source_arn: &str) -> Result<BusKey, EventsFault> {
    let named = naming::of_kind(source_arn, "event-bus");
    let (scope, name) = named.ok_or_else(|| EventsFault::parameter("EventSourceArn"))?;
    Ok(BusKey { scope, bus: name.to_owned() })
}

impl Handle<CreateArchive> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        context: Context,
        input: CreateArchiveRequest,
    ) -> Result<CreateArchiveResponse, EventsFault> {
        check(input.kms_key_identifier.is_some(), input.event_pattern.as_deref())?;
        let bus = source(&input.event_source_arn)?;
        let key = NameKey { scope: context.scope, name: input.archive_name };
        let now_ms = self.parts.clock.now_ms();
        let archive = Archive {
            bus: bus.bus.clone(),
            description: input.description,
            pattern: input.event_pattern,
            retention_days: input.retention_days.map(i32::unsigned_abs),
            created_ms: now_ms,
            journal: RequestId::from_random(self.parts.random.bytes16()).to_string(),
        };
        let arn = archive_arn(&key);
        self.change(|state| {
            state.bus(&bus)?;
            if bus.scope != key.scope {
                return Err(EventsFault::parameter("EventSourceArn"));
            }
            if state.archives.contains_key(&key) {
                return Err(EventsFault::Exists(format!("Archive {} already exists.", key.name)));
            }
            Ok((vec![Write::Archive(key, archive)], ()))
        })
        .await?;
        Ok(CreateArchiveResponse {
            archive_arn: Some(arn),
            state: Some(ENABLED.into()),
            state_reason: None,
            creation_time: Some(seconds(now_ms)),
        })
    }
}

impl Events {
    /// How much is in an archive, without what is too old.
    async fn size(&self, archive: &Archive) -> Result<JournalSize, EventsFault> {
        let oldest_ms = archive.oldest_ms(self.parts.clock.now_ms());
        if oldest_ms > 0 {
            let trim = Change::Trim { journal: archive.journal.clone(), before_ms: oldest_ms };
            self.parts.sender.commit(vec![trim]).await?;
        }
        Ok(self.parts.outbox.journal_size(&archive.journal).await?)
    }
}

impl Handle<DescribeArchive> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        context: Context,
        input: DescribeArchiveRequest,
    ) -> Result<DescribeArchiveResponse, EventsFault> {
        let key = NameKey { scope: context.scope, name: input.archive_name };
        let archive = self.state().archive(&key)?;
        let size = self.size(&archive).await?;
        let bus = BusKey { scope: key.scope.clone(), bus: archive.bus.clone() };
        Ok(DescribeArchiveResponse {
            archive_arn: Some(archive_arn(&key)),
            archive_name: Some(key.name),
            event_source_arn: Some(bus.arn()),
            description: archive.description.clone(),
            event_pattern: archive.pattern.clone(),
            state: Some(ENABLED.into()),
            retention_days: Some(retention(&archive)),
            size_bytes: Some(number(size.bytes)),
            event_count: Some(number(size.entries)),
            creation_time: Some(seconds(archive.created_ms)),
            ..Default::default()
        })
    }
}

/// For ever is 0.
fn retention(archive: &Archive) -> i32 {
    i32::try_from(archive.retention_days.unwrap_or(0)).unwrap_or(i32::MAX)
}

impl Handle<UpdateArchive> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        context: Context,
        input: UpdateArchiveRequest,
    ) -> Result<UpdateArchiveResponse, EventsFault> {
        check(input.kms_key_identifier.is_some(), input.event_pattern.as_deref())?;
        let key = NameKey { scope: context.scope, name: input.archive_name };
        let arn = archive_arn(&key);
        let created_ms = self
            .change(|state| {
                // What is not given stays.
                let mut archive = Archive::clone(&*state.archive(&key)?);
                archive.description = input.description.or(archive.description);
                archive.pattern = input.event_pattern.or(archive.pattern);
                archive.retention_days =
                    input.retention_days.map(i32::unsigned_abs).or(archive.retention_days);
                let created_ms = archive.created_ms;
                Ok((vec![Write::Archive(key, archive)], created_ms))
            })
            .await?;
        Ok(UpdateArchiveResponse {
            archive_arn: Some(arn),
            state: Some(ENABLED.into()),
            state_reason: None,
            creation_time: Some(seconds(created_ms)),
        })
    }
}

impl Handle<ListArchives> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        context: Context,
        input: ListArchivesRequest,
    ) -> Result<ListArchivesResponse, EventsFault> {
        let bus = input.event_source_arn.as_deref().map(source).transpose()?;
        if let Some(bus) = &bus {
            self.state().bus(bus)?;
        }
        let prefix = input.name_prefix.unwrap_or_default();
        let wanted = |key: &NameKey, archive: &Archive| {
            key.scope == context.scope
                && key.name.starts_with(&prefix)
                && bus.as_ref().is_none_or(|bus| bus.bus == archive.bus)
                && input.state.as_deref().is_none_or(|state| state == ENABLED)
        };
        let all: Vec<_> = self
            .state()
            .archives
            .iter()
            .filter(|(key, archive)| wanted(key, archive))
            .map(|(key, archive)| (key.clone(), std::sync::Arc::clone(archive)))
            .collect();
        let (found, next_token) =
            page(all.into_iter(), |(key, _)| &key.name, input.next_token.as_deref(), input.limit)?;
        let mut archives = Vec::new();
        for (key, archive) in found {
            let size = self.size(&archive).await?;
            let bus = BusKey { scope: key.scope.clone(), bus: archive.bus.clone() };
            archives.push(list_archives::Archive {
                archive_name: Some(key.name),
                event_source_arn: Some(bus.arn()),
                state: Some(ENABLED.into()),
                state_reason: None,
                retention_days: Some(retention(&archive)),
                size_bytes: Some(number(size.bytes)),
                event_count: Some(number(size.entries)),
                creation_time: Some(seconds(archive.created_ms)),
            });
        }
        Ok(ListArchivesResponse { archives: Some(archives), next_token })
    }
}

impl Handle<DeleteArchive> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteArchiveRequest,
    ) -> Result<DeleteArchiveResponse, EventsFault> {
        let key = NameKey { scope: context.scope, name: input.archive_name };
        let journal = self
            .change(|state| {
                let journal = state.archive(&key)?.journal.clone();
                Ok((vec![Write::DeleteArchive(key)], journal))
            })
            .await?;
        // Nobody finds it any more; after a crash in between it takes room, and nothing else.
        self.parts.sender.commit(vec![Change::Trim { journal, before_ms: u64::MAX }]).await?;
        Ok(DeleteArchiveResponse::default())
    }
}
