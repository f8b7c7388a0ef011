//! Metrics and points as rows.

use lambent_domain::{Distribution, Scope};
use lambent_ports::metric_store::{Datum, Metric, MetricQuery, MetricStoreError, Point, PointQuery, Tier};
use rusqlite::types::Value;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params, params_from_iter};

use crate::{spread, storage};

type Result<T> = std::result::Result<T, MetricStoreError>;

/// Rows that are dropped at once, so that nobody waits for it.
const PART: usize = 2_000;

fn prepare<'a>(db: &'a Connection, sql: &str) -> Result<CachedStatement<'a>> {
    db.prepare_cached(sql).map_err(storage)
}

fn dimensions(metric: &Metric) -> Result<String> {
    serde_json::to_string(&metric.dimensions).map_err(storage)
}

fn find(db: &Connection, scope: &Scope, metric: &Metric) -> Result<Option<i64>> {
    let sql = "SELECT id FROM metrics WHERE account = ?1 AND region = ?2 AND namespace = ?3 AND name = ?4
        AND dimensions = ?5";
    let key = params![
        scope.account.to_string(),
        scope.region.to_string(),
        metric.namespace,
        metric.name,
        dimensions(metric)?
    ];
    prepare(db, sql)?.query_row(key, |row| row.get(0)).optional().map_err(storage)
}

fn find_or_make(db: &Connection, scope: &Scope, datum: &Datum, max_metrics: u64) -> Result<i64> {
    if let Some(found) = find(db, scope, &datum.metric)? {
        let mut touch = prepare(db, "UPDATE metrics SET last_ms = MAX(last_ms, ?2) WHERE id = ?1")?;
        touch.execute([found, datum.time_ms as i64]).map_err(storage)?;
        return Ok(found);
    }
    let count = prepare(db, "SELECT COUNT(*) FROM metrics")?.query_row([], |row| row.get::<_, i64>(0));
    if count.map_err(storage)? as u64 >= max_metrics {
        return Err(MetricStoreError::TooManyMetrics);
    }
    let sql = "INSERT INTO metrics (account, region, namespace, name, dimensions, last_ms)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let values = params![
        scope.account.to_string(),
        scope.region.to_string(),
        datum.metric.namespace,
        datum.metric.name,
        dimensions(&datum.metric)?,
        datum.time_ms as i64
    ];
    prepare(db, sql)?.insert(values).map_err(storage)
}

pub(crate) fn add(
    db: &Connection,
    scope: &Scope,
    datum: &Datum,
    now_ms: u64,
    max_metrics: u64,
) -> Result<()> {
    let metric = find_or_make(db, scope, datum, max_metrics)?;
    let tiers = Tier::ALL.into_iter().filter(|tier| *tier != Tier::Second || datum.by_second);
    for tier in tiers {
        let start_s = datum.time_ms / 1_000 / tier.seconds() * tier.seconds();
        if start_s >= oldest_s(tier, now_ms) {
            add_to_point(db, metric, tier, start_s, datum)?;
        }
    }
    Ok(())
}

/// Points that begin earlier are dropped.
fn oldest_s(tier: Tier, now_ms: u64) -> u64 {
    (now_ms / 1_000).saturating_sub(tier.kept_seconds())
}

fn add_to_point(db: &Connection, metric: i64, tier: Tier, start_s: u64, datum: &Datum) -> Result<()> {
    let sql = "SELECT count, sum, minimum, maximum, spread FROM points
        WHERE metric = ?1 AND tier = ?2 AND start_s = ?3 AND unit = ?4";
    let key = params![metric, tier.seconds() as i64, start_s as i64, datum.unit];
    let found = prepare(db, sql)?.query_row(key, |row| values(row, 0)).optional().map_err(storage)?;
    let mut all = found.unwrap_or_default();
    all.merge(&datum.values);
    let bytes = all.bins().map(|(level, bins)| spread::write(level, bins));
    let sql = "INSERT OR REPLACE INTO points VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let row = params![
        metric,
        tier.seconds() as i64,
        start_s as i64,
        datum.unit,
        all.count(),
        all.sum(),
        all.minimum(),
        all.maximum(),
        bytes
    ];
    prepare(db, sql)?.execute(row).map(drop).map_err(storage)
}

/// The distribution that begins at a column.
fn values(row: &Row<'_>, at: usize) -> rusqlite::Result<Distribution> {
    let set = [row.get(at)?, row.get(at + 1)?, row.get(at + 2)?, row.get(at + 3)?];
    let bins = row.get_ref(at + 4)?.as_blob_or_null()?.and_then(spread::read);
    let (level, bins) = bins.map_or((0, None), |(level, bins)| (level, Some(bins)));
    Ok(Distribution::of_parts(set, level, bins))
}

pub(crate) fn points(db: &Connection, scope: &Scope, query: &PointQuery) -> Result<Vec<Point>> {
    let Some(metric) = find(db, scope, &query.metric)? else { return Ok(Vec::new()) };
    let sql = "SELECT start_s, unit, count, sum, minimum, maximum, spread FROM points
        WHERE metric = ?1 AND tier = ?2 AND start_s >= ?3 AND start_s < ?4 AND (?5 IS NULL OR unit = ?5)
        ORDER BY start_s, unit";
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let key = params![
        metric,
        number(query.tier.seconds()),
        number(query.from_s),
        number(query.until_s),
        query.unit
    ];
    let mut statement = prepare(db, sql)?;
    let rows = statement.query_map(key, |row| {
        Ok(Point { start_s: row.get::<_, i64>(0)? as u64, unit: row.get(1)?, values: values(row, 2)? })
    });
    rows.map_err(storage)?.collect::<rusqlite::Result<_>>().map_err(storage)
}

pub(crate) fn metrics(db: &Connection, scope: &Scope, query: &MetricQuery) -> Result<Vec<(u64, Metric)>> {
    let mut sql = String::from(
        "SELECT id, namespace, name, dimensions FROM metrics
        WHERE account = ? AND region = ? AND last_ms >= ? AND id > ?",
    );
    let mut values = vec![
        Value::from(scope.account.to_string()),
        Value::from(scope.region.to_string()),
        Value::from(query.since_ms as i64),
        Value::from(i64::try_from(query.beyond).unwrap_or(i64::MAX)),
    ];
    for (column, wanted) in [("namespace", &query.namespace), ("name", &query.name)] {
        if let Some(wanted) = wanted {
            sql.push_str(&format!(" AND {column} = ?"));
            values.push(Value::from(wanted.clone()));
        }
    }
    for (name, wanted) in &query.dimensions {
        // A bare name would be a path with a meaning of its own.
        sql.push_str(" AND EXISTS (SELECT 1 FROM json_each(dimensions) WHERE key = ?");
        values.push(Value::from(name.clone()));
        if let Some(wanted) = wanted {
            sql.push_str(" AND value = ?");
            values.push(Value::from(wanted.clone()));
        }
        sql.push(')');
    }
    sql.push_str(" ORDER BY id LIMIT ?");
    values.push(Value::from(query.limit as i64));
    let mut statement = prepare(db, &sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| {
        let dimensions = row.get_ref(3)?.as_str()?;
        let metric = Metric {
            namespace: row.get(1)?,
            name: row.get(2)?,
            dimensions: serde_json::from_str(dimensions).unwrap_or_default(),
        };
        Ok((row.get::<_, i64>(0)? as u64, metric))
    });
    rows.map_err(storage)?.collect::<rusqlite::Result<_>>().map_err(storage)
}

pub(crate) fn drop_expired(db: &Connection, now_ms: u64) -> Result<bool> {
    let mut more = false;
    for tier in Tier::ALL {
        let before = oldest_s(tier, now_ms);
        more |= drop_points(db, tier, before)? == PART;
    }
    // A metric without points is one that nothing has been put into for as long as anything is kept.
    let sql = "DELETE FROM metrics WHERE id IN (SELECT id FROM metrics WHERE last_ms < ?1
        AND NOT EXISTS (SELECT 1 FROM points WHERE metric = metrics.id) LIMIT ?2)";
    let before_ms = now_ms.saturating_sub(Tier::Minute.kept_seconds() * 1_000) as i64;
    more |= prepare(db, sql)?.execute([before_ms, PART as i64]).map_err(storage)? == PART;
    Ok(more)
}

fn drop_points(db: &Connection, tier: Tier, before_s: u64) -> Result<usize> {
    let sql = "DELETE FROM points WHERE (metric, tier, start_s, unit) IN
        (SELECT metric, tier, start_s, unit FROM points WHERE tier = ?1 AND start_s < ?2 ORDER BY start_s LIMIT ?3)";
    let until = i64::try_from(before_s).unwrap_or(i64::MAX);
    prepare(db, sql)?.execute([tier.seconds() as i64, until, PART as i64]).map_err(storage)
}

/// Drops of the shortest lengths first: of what they say, the longer ones keep the sums. Whether there is more to drop.
pub(crate) fn drop_oldest(db: &Connection, max_bytes: u64) -> Result<bool> {
    if used_bytes(db)? <= max_bytes {
        return Ok(false);
    }
    for tier in Tier::ALL {
        if drop_points(db, tier, u64::MAX)? > 0 {
            return Ok(used_bytes(db)? > max_bytes);
        }
    }
    Ok(false)
}

fn used_bytes(db: &Connection) -> Result<u64> {
    let read = |name: &str| {
        prepare(db, &format!("PRAGMA {name}"))?.query_row([], |row| row.get::<_, i64>(0)).map_err(storage)
    };
    let pages = read("page_count")?.saturating_sub(read("freelist_count")?);
    Ok(pages.saturating_mul(read("page_size")?).max(0) as u64)
}
