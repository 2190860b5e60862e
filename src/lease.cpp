// SPDX-License-Identifier: MIT
#include "cancellation.hpp"
#include "keeper.hpp"

#include <workerid/lease.hpp>

#include <string>
#include <utility>

namespace workerid {

namespace detail {

Error not_held(const LeaseControl* lease) {
  const Lease::State present = lease != nullptr ? lease->state() : Lease::State::empty;
  const std::string which = lease != nullptr ? "worker ID " + std::to_string(lease->worker_id()) +
                                                   " of cluster \"" + lease->cluster() +
                                                   "\" is not held: the lease is "
                                             : "no worker ID is held: the lease is ";
  // A renewal may have come between the two looks; the caller was told "not held" for the first.
  const Lease::State shown = present == Lease::State::held ? Lease::State::suspended : present;
  return {shown == Lease::State::suspended ? ErrorCode::token_expired : ErrorCode::not_assigned,
          which + std::string{name(shown)}};
}

}  // namespace detail

namespace {

// Ends what a Lease object had; the child of a fork leaves it to the parent (G11).
void end(std::shared_ptr<detail::LeaseControl> control) noexcept {
  if (!control) return;
  const detail::CancellationHeldOff held_off;  // also for the end of the last of its keeper's
  try {
    if (control->forked()) {
      detail::leave_to_parent(std::move(control));
    } else {
      control->keeper().release(*control);
    }
  } catch (...) {  // the store did not hear of it: the ID comes free by expiring
  }
  control.reset();
}

}  // namespace

Lease::Lease(std::shared_ptr<detail::LeaseControl> control) noexcept
    : control_(std::move(control)) {}

Lease::Lease(Lease&&) noexcept = default;

Lease& Lease::operator=(Lease&& other) noexcept {
  if (this != &other) end(std::exchange(control_, std::move(other.control_)));
  return *this;
}

Lease::~Lease() {
  end(std::move(control_));
}

WorkerId Lease::worker_id() const {
  if (held()) return control_->worker_id();
  throw detail::not_held(control_.get());
}

bool Lease::held() const noexcept {
  return control_ && control_->held();
}

Lease::State Lease::state() const noexcept {
  return control_ ? control_->state() : State::empty;
}

BootTime Lease::valid_until() const noexcept {
  return control_ ? control_->valid_until() : BootTime::min();
}

std::uint64_t Lease::epoch() const noexcept {
  return control_ ? control_->epoch() : 0;
}

Token Lease::token() const {
  return control_ ? control_->expose_token() : Token{};
}

TimestampRange Lease::reserved_timestamps() const {
  return control_ ? control_->expose_timestamps() : TimestampRange{};
}

std::stop_token Lease::lost() const {
  return control_ ? control_->lost() : std::stop_token{};
}

std::optional<Error> Lease::loss() const {
  return control_ ? control_->loss() : std::nullopt;
}

void Lease::release() {
  if (!control_ || control_->forked()) return;
  if (const auto error = control_->keeper().release(*control_)) throw Error(*error);
}

void Lease::abandon() {
  if (!control_ || control_->forked()) return;
  control_->keeper().abandon(*control_);
}

std::string_view name(Lease::State state) noexcept {
  switch (state) {
    case Lease::State::held:
      return "held";
    case Lease::State::suspended:
      return "suspended";
    case Lease::State::lost:
      return "lost";
    case Lease::State::released:
      return "released";
    case Lease::State::abandoned:
      return "abandoned";
    case Lease::State::forked:
      return "forked";
    case Lease::State::empty:
      return "empty";
  }
  return "unknown";
}

}  // namespace workerid
