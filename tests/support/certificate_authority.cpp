// SPDX-License-Identifier: MIT
#include "support/certificate_authority.hpp"

#include "support/process.hpp"

#include <stdexcept>
#include <vector>

namespace workerid::tests {

namespace {

void openssl(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "openssl");
  Process process(std::move(arguments));
  if (process.wait() != ExitStatus{}) throw std::runtime_error("openssl: " + process.errors());
}

}  // namespace

CertificateAuthority::CertificateAuthority() {
  make_authority("ca");
  make_authority("stranger");
}

void CertificateAuthority::sign(const std::string& name, const std::string& subject_names,
                                int days) const {
  std::vector<std::string> request{"req",
                                   "-newkey",
                                   "ec",
                                   "-pkeyopt",
                                   "ec_paramgen_curve:P-256",
                                   "-nodes",
                                   "-subj",
                                   "/CN=" + name,
                                   "-keyout",
                                   file(name + ".key"),
                                   "-out",
                                   file(name + ".csr")};
  if (!subject_names.empty()) {
    request.insert(request.end(), {"-addext", "subjectAltName=" + subject_names});
  }
  openssl(request);
  openssl({"x509", "-req", "-in", file(name + ".csr"), "-CA", file("ca.pem"), "-CAkey",
           file("ca.key"), "-CAcreateserial", "-copy_extensions", "copy", "-days",
           std::to_string(days), "-out", file(name + ".pem")});
}

void CertificateAuthority::make_authority(const std::string& name) const {
  openssl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
           "-subj", "/CN=" + name, "-days", "1", "-keyout", file(name + ".key"), "-out",
           file(name + ".pem")});
}

}  // namespace workerid::tests
