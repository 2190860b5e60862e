// SPDX-License-Identifier: MIT
#include "stores/redis/tls.hpp"

#include <algorithm>
#include <limits>
#include <new>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace workerid::detail::redis {

namespace {

// The reason of the oldest error that OpenSSL has noted on this thread.
std::string openssl_reason() {
  const char* reason = ::ERR_reason_error_string(::ERR_peek_error());
  return reason == nullptr ? "unknown reason" : reason;
}

[[noreturn]] void refuse_file(const std::string& option, const std::string& file) {
  throw Error(ErrorCode::invalid_argument, "the Redis URL names " + option + "=" + file +
                                               ", which cannot be used: " + openssl_reason());
}

int as_int(std::size_t size) {
  return static_cast<int>(
      std::min(size, static_cast<std::size_t>(std::numeric_limits<int>::max())));
}

// OpenSSL's own socket BIO calls write(2), which raises SIGPIPE in the host program. This one moves
// bytes through the Socket. Exceptions must not pass through OpenSSL: a failure shows as -1 without
// a retry flag.
template <class Move>
int move_bytes(BIO* bio, int retry_flag, Move move) noexcept {
  BIO_clear_retry_flags(bio);
  try {
    const Step step = move(*static_cast<Socket*>(::BIO_get_data(bio)));
    if (step.outcome == Step::Outcome::done) return as_int(step.bytes);
    if (step.outcome == Step::Outcome::closed) return 0;
    ::BIO_set_flags(bio, retry_flag | BIO_FLAGS_SHOULD_RETRY);
  } catch (const ConnectionFailure&) {
    return -1;
  }
  return -1;
}

int bio_write(BIO* bio, const char* bytes, int size) {
  return move_bytes(bio, BIO_FLAGS_WRITE, [&](Socket& socket) {
    return socket.send({bytes, static_cast<std::size_t>(size)});
  });
}

int bio_read(BIO* bio, char* buffer, int size) {
  return move_bytes(bio, BIO_FLAGS_READ, [&](Socket& socket) {
    return socket.receive(buffer, static_cast<std::size_t>(size));
  });
}

long bio_control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO* socket_bio(Socket& socket) {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = ::BIO_meth_new(::BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "workerid");
    ::BIO_meth_set_write(made, &bio_write);
    ::BIO_meth_set_read(made, &bio_read);
    ::BIO_meth_set_ctrl(made, &bio_control);
    return made;
  }();
  BIO* bio = ::BIO_new(method);
  if (bio == nullptr) throw std::bad_alloc();
  ::BIO_set_data(bio, &socket);
  ::BIO_set_init(bio, 1);
  return bio;
}

void expect_name(SSL* session, const std::string& name) {
  if (is_address(name)) {
    ::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(session), name.c_str());
    return;
  }
  ::SSL_set_hostflags(session, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  ::SSL_set1_host(session, name.c_str());
  SSL_set_tlsext_host_name(session, name.c_str());
}

[[noreturn]] void fail(SSL* session) {
  const unsigned long error = ::ERR_peek_error();
  const int reason = ERR_GET_REASON(error);
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) throw ConnectionFailure("the connection broke");
  if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    throw ConnectionFailure(
        ErrorCode::denied,
        "the server's certificate is not accepted: " +
            std::string{::X509_verify_cert_error_string(::SSL_get_verify_result(session))} +
            "; correct ca or server_name in the URL, or the certificate");
  }
  if (reason == SSL_R_WRONG_VERSION_NUMBER) {
    throw ConnectionFailure(
        ErrorCode::unsupported_server,
        "the server does not speak TLS on this port; use redis://, or its TLS port");
  }
  if (reason > SSL_AD_REASON_OFFSET) {  // an alert that the server sent
    throw ConnectionFailure(ErrorCode::denied,
                            "the server refused the TLS connection: " + openssl_reason() +
                                "; correct cert and key in the URL");
  }
  throw ConnectionFailure("TLS: " + openssl_reason());
}

}  // namespace

TlsContext::TlsContext(const TlsOptions& options, const std::string& host)
    : context_(::SSL_CTX_new(::TLS_client_method()), &::SSL_CTX_free),
      server_name_(options.server_name.empty() ? host : options.server_name) {
  if (!context_) throw std::bad_alloc();
  SSL_CTX* context = context_.get();
  ::ERR_clear_error();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  ::SSL_CTX_set_verify(context, options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (options.ca_file.empty()) {
    ::SSL_CTX_set_default_verify_paths(context);
  } else if (::SSL_CTX_load_verify_file(context, options.ca_file.c_str()) != 1) {
    refuse_file("ca", options.ca_file);
  }
  if (options.certificate_file.empty()) return;
  if (::SSL_CTX_use_certificate_chain_file(context, options.certificate_file.c_str()) != 1) {
    refuse_file("cert", options.certificate_file);
  }
  if (::SSL_CTX_use_PrivateKey_file(context, options.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    refuse_file("key", options.key_file);
  }
}

TlsSession::TlsSession(const TlsContext& context, Socket& socket)
    : session_(::SSL_new(context.get()), &::SSL_free) {
  if (!session_) throw std::bad_alloc();
  BIO* bio = socket_bio(socket);
  ::SSL_set_bio(session_.get(), bio, bio);
  expect_name(session_.get(), context.server_name());
}

Step TlsSession::step_of(int result) {
  if (result > 0) return {Step::Outcome::done, static_cast<std::size_t>(result)};
  switch (::SSL_get_error(session_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return {Step::Outcome::wants_read};
    case SSL_ERROR_WANT_WRITE:
      return {Step::Outcome::wants_write};
    case SSL_ERROR_ZERO_RETURN:
      return {Step::Outcome::closed};
    default:
      fail(session_.get());
  }
}

Step TlsSession::shake_hands() {
  ::ERR_clear_error();
  return step_of(::SSL_connect(session_.get()));
}

Step TlsSession::send(std::string_view bytes) {
  ::ERR_clear_error();
  return step_of(::SSL_write(session_.get(), bytes.data(), as_int(bytes.size())));
}

Step TlsSession::receive(char* buffer, std::size_t size) {
  ::ERR_clear_error();
  return step_of(::SSL_read(session_.get(), buffer, as_int(size)));
}

bool TlsSession::silent() noexcept {
  ::ERR_clear_error();
  char byte = 0;
  const int result = ::SSL_peek(session_.get(), &byte, 1);
  return result <= 0 && ::SSL_get_error(session_.get(), result) == SSL_ERROR_WANT_READ;
}

}  // namespace workerid::detail::redis
