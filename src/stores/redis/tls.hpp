// SPDX-License-Identifier: MIT
//
// Internal: TLS over a Socket, by OpenSSL.
#pragma once

#include "stores/redis/redis_url.hpp"
#include "stores/redis/socket.hpp"

#include <memory>
#include <openssl/types.h>
#include <string>
#include <string_view>

namespace workerid::detail::redis {

/// What a URL says about TLS, its files read: TLS 1.2 at least, the server verified by default.
class TlsContext {
 public:
  /// Errors: `invalid_argument` that names the file that cannot be used.
  TlsContext(const TlsOptions& options, const std::string& host);

  SSL_CTX* get() const noexcept { return context_.get(); }
  const std::string& server_name() const noexcept { return server_name_; }

 private:
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
  std::string server_name_;
};

/// One session. The socket outlives it. Use from one thread at a time.
class TlsSession {
 public:
  TlsSession(const TlsContext& context, Socket& socket);

  /// Each does what can be done at once. Errors: `ConnectionFailure`, with `denied` if one side does
  /// not accept the other's certificate, with `unsupported_server` if the other speaks no TLS.
  Step shake_hands();
  Step send(std::string_view bytes);
  Step receive(char* buffer, std::size_t size);

  /// True if nothing was received and the peer has not closed.
  bool silent() noexcept;

 private:
  Step step_of(int result);

  std::unique_ptr<SSL, void (*)(SSL*)> session_;
};

}  // namespace workerid::detail::redis
