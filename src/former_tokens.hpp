// SPDX-License-Identifier: MIT
//
// Internal, pure: which tokens a named process used.
#pragma once

#include <workerid/store.hpp>

#include <utility>
#include <vector>

namespace workerid::detail {

/// The tokens that the leases of one name were acquired with, whether the store heard of them or not;
/// the latest last. Of more than a takeover may name the oldest is dropped: it is taken over no more.
class FormerTokens {
 public:
  FormerTokens() = default;
  explicit FormerTokens(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  /// Adds that of an acquisition whose request is sent next, and returns those before it.
  std::vector<Token> add(const Token& token) {
    std::vector<Token> former = tokens_;
    tokens_.push_back(token);
    if (tokens_.size() > Takeover::most_tokens) tokens_.erase(tokens_.begin());
    return former;
  }

  const std::vector<Token>& all() const noexcept { return tokens_; }

 private:
  std::vector<Token> tokens_;
};

}  // namespace workerid::detail
