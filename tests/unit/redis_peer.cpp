// SPDX-License-Identifier: MIT
#include "redis_peer.hpp"

#include <csignal>
#include <openssl/ssl.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace workerid::tests {

Peer::Peer(int descriptor) : descriptor_(descriptor), tls_(nullptr, &::SSL_free) {}

Peer::~Peer() {
  ::close(descriptor_);
}

void Peer::shake_hands(const std::string& certificate_file, const std::string& key_file) {
  sigset_t broken_pipe;  // OpenSSL writes with write(2).
  ::sigemptyset(&broken_pipe);
  ::sigaddset(&broken_pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
  const std::unique_ptr<SSL_CTX, decltype(&::SSL_CTX_free)> context{
      ::SSL_CTX_new(::TLS_server_method()), &::SSL_CTX_free};
  if (::SSL_CTX_use_certificate_chain_file(context.get(), certificate_file.c_str()) != 1 ||
      ::SSL_CTX_use_PrivateKey_file(context.get(), key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    throw std::runtime_error("the certificate or its key cannot be used");
  }
  tls_.reset(::SSL_new(context.get()));
  ::SSL_set_fd(tls_.get(), descriptor_);
  ::SSL_accept(tls_.get());
}

std::vector<std::string> Peer::read_command() {
  std::vector<std::string> words;
  const std::string header = read_line();
  if (header.empty()) return words;
  for (int left = std::stoi(header.substr(1)); left > 0; --left) {
    const std::string size = read_line();
    std::string word(std::stoul(size.substr(1)), '\0');
    for (char& byte : word) read_byte(byte);
    read_line();
    words.push_back(std::move(word));
  }
  return words;
}

void Peer::answer(std::string_view reply) {
  if (!read_command().empty()) send(reply);
}

bool Peer::send(std::string_view bytes) const {
  while (!bytes.empty()) {
    constexpr std::size_t most = std::size_t{1} << 20U;
    const std::string_view some = bytes.substr(0, most);
    const ssize_t count = tls_ ? ::SSL_write(tls_.get(), some.data(), static_cast<int>(some.size()))
                               : ::send(descriptor_, some.data(), some.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

void Peer::wait_for(std::size_t bytes) const {
  std::string buffer(bytes, '\0');
  ::recv(descriptor_, buffer.data(), bytes, MSG_PEEK | MSG_WAITALL);
}

void Peer::wait_until_closed() {
  char byte = 0;
  while (read_byte(byte)) continue;
}

std::string Peer::read_line() {
  std::string line;
  char byte = 0;
  while (read_byte(byte) && byte != '\n') {
    if (byte != '\r') line += byte;
  }
  return line;
}

bool Peer::read_byte(char& byte) const {
  return (tls_ ? ::SSL_read(tls_.get(), &byte, 1) : ::recv(descriptor_, &byte, 1, 0)) == 1;
}

ScriptedServer::ScriptedServer(std::function<void(Peer&, int)> play)
    : play_(std::move(play)), listener_(listen_on_loopback()) {
  thread_ = std::thread([this] { serve(); });
}

ScriptedServer::~ScriptedServer() {
  ::shutdown(listener_.descriptor, SHUT_RDWR);  // ends accept(2)
  thread_.join();
  ::close(listener_.descriptor);
}

void ScriptedServer::serve() const {
  for (int connection = 0;; ++connection) {
    const int descriptor = ::accept4(listener_.descriptor, nullptr, nullptr, SOCK_CLOEXEC);
    if (descriptor < 0) return;
    Peer peer(descriptor);
    play_(peer, connection);
  }
}

}  // namespace workerid::tests
