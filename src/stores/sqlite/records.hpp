// SPDX-License-Identifier: MIT
//
// Internal: the tables of a lease file, as the rules see them.
#pragma once

#include "database.hpp"

#include <workerid/rules.hpp>

#include <optional>
#include <string>
#include <vector>

namespace workerid::detail::sqlite {

/// Reads and writes clusters and their records, by an index each. Every call belongs inside a
/// transaction of `database`, which outlives this object.
class Records {
 public:
  explicit Records(Database& database);

  std::optional<rules::Cluster> cluster(const std::string& cluster);
  std::optional<rules::Record> find(const std::string& cluster, WorkerId worker_id);
  std::optional<rules::Record> of_instance(const std::string& cluster, const std::string& instance);
  rules::Candidates candidates(const AcquireRequest& request,
                               const std::optional<rules::Cluster>& cluster);
  std::vector<rules::Record> all(const std::string& cluster);
  std::vector<std::string> names();

  void save(const std::string& cluster, const rules::Cluster& value);
  /// `former` is what the file has of this worker ID, nothing if it has no record: what has not
  /// changed is not written again.
  void save(const std::string& cluster, const rules::Record& record,
            const std::optional<rules::Record>& former);

 private:
  Database& database_;
  Statement cluster_;
  Statement by_worker_id_;
  Statement by_token_;
  Statement by_instance_;
  Statement longest_free_;
  Statement all_;
  Statement names_;
  Statement save_cluster_;
  Statement save_record_;
  Statement extend_record_;
  Statement forget_instance_;
  Statement save_instance_;
};

}  // namespace workerid::detail::sqlite
