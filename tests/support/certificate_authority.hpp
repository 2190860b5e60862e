// SPDX-License-Identifier: MIT
//
// Certificates of a test's own.
#pragma once

#include "support/temporary_directory.hpp"

#include <string>

namespace workerid::tests {

/// Makes keys and certificates in one folder with the openssl command: two authorities, `ca` and
/// `stranger`, and what the first of them signs. NAME.pem is a certificate, NAME.key its key.
/// Throws std::runtime_error if openssl fails.
class CertificateAuthority {
 public:
  CertificateAuthority();

  std::string file(const std::string& name) const { return directory_.path() / name; }

  /// Makes a certificate for `subject_names` ("DNS:localhost,IP:127.0.0.1") that is valid for `days`
  /// days from now.
  void sign(const std::string& name, const std::string& subject_names, int days = 1) const;

 private:
  void make_authority(const std::string& name) const;

  TemporaryDirectory directory_;
};

}  // namespace workerid::tests
