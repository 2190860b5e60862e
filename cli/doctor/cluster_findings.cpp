// SPDX-License-Identifier: MIT
#include "doctor/cluster_findings.hpp"

#include "values.hpp"

#include <algorithm>
#include <cmath>

namespace workerid::cli {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::string quoted(const std::string& text) {
  return "\"" + text + "\"";
}

WorkerId size_of(const Configuration& configuration) {
  return configuration.max_worker_id - configuration.min_worker_id + 1;
}

// Those that nobody new can get now.
WorkerId taken(const ClusterView& view) {
  return static_cast<WorkerId>(view.leases.size()) - view.count(LeaseState::free);
}

Finding judge_configuration(const std::string& cluster, const Configuration& configuration) {
  return {
      Severity::ok, "cluster",
      "cluster " + quoted(cluster) + ": worker IDs " + std::to_string(configuration.min_worker_id) +
          " to " + std::to_string(configuration.max_worker_id) + ", lease " +
          to_text(configuration.lease_time) + ", reuse delay " +
          to_text(configuration.reuse_delay) + ", cool-down " + to_text(configuration.cool_down)};
}

Finding judge_hold_back(milliseconds hold_back) {
  if (hold_back == milliseconds::zero()) {
    return {Severity::ok, "hold-back", "new leases are granted"};
  }
  return {Severity::warning, "hold-back",
          "the store may have lost data: nothing is granted for " + to_text(hold_back) +
              " more, those who hold an ID keep it",
          "none: it ends by itself; look at why the store lost data"};
}

Finding judge_fill(const ClusterView& view) {
  const WorkerId size = size_of(view.configuration);
  const WorkerId used = taken(view);
  const WorkerId waiting = view.count(LeaseState::expired) + view.count(LeaseState::cooling_down);
  std::string reason = std::to_string(used) + " of " + counted(size, "ID") + " taken";
  if (waiting > 0) {
    reason += ", " + std::to_string(waiting) +
              " of them kept for the reuse delay or the cool-down of a former holder";
  }
  const std::string wider =
      "a wider range, --max; or end processes that need no ID, or release what crashed ones left "
      "(--identity-file)";
  if (used >= size) {
    return {Severity::error, "fill", reason + ": a new process gets none", wider};
  }
  if (10 * used >= 9 * size) {
    return {Severity::warning, "fill", reason + ": nearly all", wider};
  }
  return {Severity::ok, "fill", reason};
}

Finding judge_forecast(const ClusterView& first, const ClusterView& second,
                       std::chrono::nanoseconds apart) {
  const WorkerId grown = taken(second) - taken(first);
  const WorkerId left = size_of(second.configuration) - taken(second);
  const std::string watched = " in " + to_text(std::chrono::round<milliseconds>(apart));
  if (grown <= 0 || apart <= std::chrono::nanoseconds::zero()) {
    return {Severity::ok, "forecast",
            "unknown when the IDs run out: no more of them were taken" +
                (apart <= std::chrono::nanoseconds::zero() ? " while nobody looked" : watched)};
  }
  const double seconds_left = std::chrono::duration<double>(apart).count() *
                              static_cast<double>(left) / static_cast<double>(grown);
  constexpr double longest_s = 86'400.0 * 365;
  const std::string reason =
      counted(grown, "ID") + " more taken" + watched + ": at this rate none is left in " +
      (seconds_left > longest_s ? "more than a year"
                                : to_text(seconds{static_cast<seconds::rep>(seconds_left)}));
  const bool soon = seconds_left < 3600;
  return {soon ? Severity::warning : Severity::note, "forecast", reason,
          soon ? "a wider range, --max, before that; look for processes that crash and start again"
               : ""};
}

}  // namespace

Findings judge_cluster(const ClusterSightings& seen) {
  const std::optional<ClusterView>& view = seen.second ? seen.second : seen.first;
  if (!view) {
    return {{Severity::note, "cluster",
             "the store does not know the cluster " + quoted(seen.cluster) +
                 ": it was never used here, or is lost"}};
  }
  Findings findings{judge_configuration(seen.cluster, view->configuration),
                    judge_hold_back(view->hold_back), judge_fill(*view)};
  if (seen.first && seen.second) {
    findings.push_back(judge_forecast(*seen.first, *seen.second, seen.apart));
  }
  return findings;
}

Finding judge_guarantee(const Guarantee& guarantee) {
  std::string reason = "exclusivity " + std::string{name(guarantee.exclusivity)} + ", timestamps " +
                       std::string{name(guarantee.timestamps)};
  std::string separator = ": ";
  for (const std::string& each : guarantee.reasons) {
    reason += separator + each;
    separator = " ";
  }
  switch (std::max(guarantee.exclusivity, guarantee.timestamps)) {
    case GuaranteeLevel::exact:
      return {Severity::ok, "guarantee", reason};
    case GuaranteeLevel::conditional:
      return {Severity::note, "guarantee", reason};
    case GuaranteeLevel::best_effort:
      break;
  }
  return {Severity::warning, "guarantee", reason,
          "what these reasons name; docs/guarantees.md, G13, has each setup and what it gives"};
}

Finding judge_failure(const std::string& topic, const Error& error) {
  return {Severity::error, topic, error.what(), std::string{advice(error.error_code())}};
}

milliseconds attempt_bound(milliseconds lease_time) noexcept {
  return std::min<milliseconds>(lease_time / 6, seconds{5});
}

}  // namespace workerid::cli
