// SPDX-License-Identifier: MIT
#include "records.hpp"

#include "stores/stored_values.hpp"

namespace workerid::detail::sqlite {

namespace {

using std::chrono::milliseconds;

const std::string record_columns =
    "worker_id, token, epoch, instance, owner, lease_end_ms, free_at_ms, floor_ms,"
    " first_reserved_ms, last_reserved_ms, released";

std::string select_record(const std::string& which) {
  return "SELECT " + record_columns + " FROM records WHERE cluster = ?1 " + which;
}

// A damaged token owns nothing and must not hide behind the caller's: the record is refused.
Token token_of(const std::string& text, const Database& database) {
  try {
    return Token::parse(text);
  } catch (const Error&) {
    throw Error(ErrorCode::corrupt_record, database.name() + ": a record's token is damaged");
  }
}

rules::Record record_of(Rows& rows, const Database& database) {
  rules::Record record;
  record.worker_id = rows.integer();
  record.token = token_of(rows.text(), database);
  record.epoch = static_cast<std::uint64_t>(rows.integer());
  record.instance = rows.text();
  record.owner = rows.text();
  record.lease_end = milliseconds{rows.integer()};
  record.free_at = milliseconds{rows.integer()};
  record.floor = milliseconds{rows.integer()};
  record.reserved.first_ms = rows.integer();
  record.reserved.last_ms = rows.integer();
  record.released = rows.integer() != 0;
  check_stored(record, database.name());
  return record;
}

std::optional<rules::Record> first_of(Rows rows, const Database& database) {
  return rows.next() ? std::optional{record_of(rows, database)} : std::nullopt;
}

}  // namespace

Records::Records(Database& database)
    : database_(database),
      cluster_(database,
               "SELECT min_worker_id, max_worker_id, lease_time_ms, reuse_delay_ms, cool_down_ms,"
               " last_epoch, next_fresh, granted, incarnation, incarnation_began,"
               " hold_back_until_ms, lost_timestamps_ms, proven FROM clusters WHERE cluster = ?1"),
      by_worker_id_(database, select_record("AND worker_id = ?2")),
      by_token_(database, select_record("AND token = ?2")),
      by_instance_(database, select_record("AND worker_id = (SELECT worker_id FROM instances"
                                           " WHERE cluster = ?1 AND instance = ?2)")),
      longest_free_(database, select_record("AND +worker_id BETWEEN ?2 AND ?3"
                                            " ORDER BY free_at_ms, worker_id LIMIT 1")),
      all_(database, select_record("ORDER BY worker_id")),
      names_(database, "SELECT cluster FROM clusters ORDER BY cluster"),
      save_cluster_(database,
                    "INSERT INTO clusters (cluster, min_worker_id, max_worker_id, lease_time_ms,"
                    " reuse_delay_ms, cool_down_ms, last_epoch, next_fresh, granted, incarnation,"
                    " incarnation_began, hold_back_until_ms, lost_timestamps_ms, proven)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
                    " ON CONFLICT (cluster) DO UPDATE SET"
                    " min_worker_id = excluded.min_worker_id,"
                    " max_worker_id = excluded.max_worker_id,"
                    " last_epoch = excluded.last_epoch, next_fresh = excluded.next_fresh,"
                    " granted = excluded.granted, incarnation = excluded.incarnation,"
                    " incarnation_began = excluded.incarnation_began,"
                    " hold_back_until_ms = excluded.hold_back_until_ms,"
                    " lost_timestamps_ms = excluded.lost_timestamps_ms, proven = excluded.proven"),
      save_record_(
          database,
          "INSERT INTO records (cluster, " + record_columns +
              ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
              " ON CONFLICT (cluster, worker_id) DO UPDATE SET token = excluded.token,"
              " epoch = excluded.epoch, instance = excluded.instance, owner = excluded.owner,"
              " lease_end_ms = excluded.lease_end_ms, free_at_ms = excluded.free_at_ms,"
              " floor_ms = excluded.floor_ms, first_reserved_ms = excluded.first_reserved_ms,"
              " last_reserved_ms = excluded.last_reserved_ms, released = excluded.released"),
      // SQLite writes an index anew for every column of it that is set, changed or not.
      extend_record_(database,
                     "UPDATE records SET epoch = ?3, lease_end_ms = ?4, free_at_ms = ?5,"
                     " first_reserved_ms = ?6, last_reserved_ms = ?7, released = ?8"
                     " WHERE cluster = ?1 AND worker_id = ?2"),
      forget_instance_(database,
                       "DELETE FROM instances WHERE cluster = ?1 AND worker_id = ?2 AND instance ="
                       " (SELECT instance FROM records WHERE cluster = ?1 AND worker_id = ?2)"
                       " AND instance <> ?3"),
      save_instance_(database,
                     "INSERT INTO instances (cluster, instance, worker_id) VALUES (?1, ?2, ?3)"
                     " ON CONFLICT (cluster, instance) DO UPDATE SET worker_id = excluded.worker_id"
                     " WHERE worker_id <> excluded.worker_id") {}

std::optional<rules::Cluster> Records::cluster(const std::string& cluster) {
  Rows rows = cluster_.query(cluster);
  if (!rows.next()) return std::nullopt;
  rules::Cluster value;
  value.configuration.min_worker_id = rows.integer();
  value.configuration.max_worker_id = rows.integer();
  value.configuration.lease_time = milliseconds{rows.integer()};
  value.configuration.reuse_delay = milliseconds{rows.integer()};
  value.configuration.cool_down = milliseconds{rows.integer()};
  value.last_epoch = static_cast<std::uint64_t>(rows.integer());
  value.next_fresh = rows.integer();
  value.granted = rows.integer();
  value.incarnation = rows.text();
  value.incarnation_began = static_cast<std::uint64_t>(rows.integer());
  value.hold_back_until = milliseconds{rows.integer()};
  value.lost_timestamps_ms = rows.integer();
  value.proven = rows.integer() != 0;
  check_stored(value, database_.name());
  return value;
}

std::optional<rules::Record> Records::find(const std::string& cluster, WorkerId worker_id) {
  return first_of(by_worker_id_.query(cluster, worker_id), database_);
}

rules::Candidates Records::candidates(const AcquireRequest& request,
                                      const std::optional<rules::Cluster>& cluster) {
  rules::Candidates candidates;
  candidates.same_token =
      first_of(by_token_.query(request.cluster, request.token.text()), database_);
  if (!request.instance.empty()) {
    candidates.same_instance = of_instance(request.cluster, request.instance);
    for (const Token& token : request.takeover.tokens) {
      const auto named = first_of(by_token_.query(request.cluster, token.text()), database_);
      if (named && named->instance == request.instance) candidates.same_instance = named;
    }
  }
  if (cluster) {
    const Configuration& configuration = cluster->configuration;
    candidates.longest_free =
        first_of(longest_free_.query(request.cluster, configuration.min_worker_id,
                                     configuration.max_worker_id),
                 database_);
    candidates.fresh = cluster->next_fresh;
    while (candidates.fresh <= configuration.max_worker_id &&
           find(request.cluster, candidates.fresh)) {
      ++candidates.fresh;
    }
  }
  return candidates;
}

std::optional<rules::Record> Records::of_instance(const std::string& cluster,
                                                  const std::string& instance) {
  return first_of(by_instance_.query(cluster, instance), database_);
}

std::vector<rules::Record> Records::all(const std::string& cluster) {
  std::vector<rules::Record> records;
  Rows rows = all_.query(cluster);
  while (rows.next()) records.push_back(record_of(rows, database_));
  return records;
}

std::vector<std::string> Records::names() {
  std::vector<std::string> names;
  Rows rows = names_.query();
  while (rows.next()) names.push_back(rows.text());
  return names;
}

void Records::save(const std::string& cluster, const rules::Cluster& value) {
  const Configuration& configuration = value.configuration;
  save_cluster_.run(cluster, configuration.min_worker_id, configuration.max_worker_id,
                    configuration.lease_time.count(), configuration.reuse_delay.count(),
                    configuration.cool_down.count(), static_cast<std::int64_t>(value.last_epoch),
                    value.next_fresh, value.granted, value.incarnation,
                    static_cast<std::int64_t>(value.incarnation_began),
                    value.hold_back_until.count(), value.lost_timestamps_ms,
                    std::int64_t{value.proven});
}

void Records::save(const std::string& cluster, const rules::Record& record,
                   const std::optional<rules::Record>& former) {
  const bool same_instance = former && former->instance == record.instance;
  const bool same_lease = same_instance && former->token == record.token;
  if (former && !same_instance) forget_instance_.run(cluster, record.worker_id, record.instance);
  const auto epoch = static_cast<std::int64_t>(record.epoch);
  if (same_lease && former->owner == record.owner) {
    extend_record_.run(cluster, record.worker_id, epoch, record.lease_end.count(),
                       record.free_at.count(), record.reserved.first_ms, record.reserved.last_ms,
                       std::int64_t{record.released});
  } else {
    save_record_.run(cluster, record.worker_id, record.token.text(), epoch, record.instance,
                     record.owner, record.lease_end.count(), record.free_at.count(),
                     record.floor.count(), record.reserved.first_ms, record.reserved.last_ms,
                     std::int64_t{record.released});
  }
  // The ID of its latest lease, whichever was renewed last.
  if (!same_lease && !record.instance.empty())
    save_instance_.run(cluster, record.instance, record.worker_id);
}

}  // namespace workerid::detail::sqlite
