//! A certificate authority of its own for suites with TLS.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::directory::Directory;
use crate::tools;

/// An authority, and a certificate of it for a server on 127.0.0.1 and localhost. All files are PEM, keys PKCS #8.
#[derive(Debug)]
pub struct Certificates {
    directory: Directory,
}

/// A certificate and its key.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate's file.
    pub certificate: PathBuf,
    /// The key's file.
    pub key: PathBuf,
}

impl Certificates {
    /// Makes new ones with the openssl program, valid for a day.
    ///
    /// # Errors
    /// When openssl isn't installed or fails.
    pub fn new() -> Result<Self> {
        let directory = Directory::new("certificates")?;
        let this = Self { directory };
        let new_key = ["req", "-newkey", "rsa:2048", "-nodes", "-sha256"];
        this.openssl(
            &[
                &new_key[..],
                &["-x509", "-days", "1", "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem"],
            ]
            .concat(),
        )?;
        let names = "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n";
        this.issue("server", "/CN=server", names)?;
        this.issue("client", "/CN=client", "extendedKeyUsage=clientAuth\n")?;
        let both = [std::fs::read(this.path("server.key")), std::fs::read(this.path("server.pem"))];
        let both: Vec<Vec<u8>> = both.into_iter().collect::<std::io::Result<_>>().context("failed to read back")?;
        std::fs::write(this.path("server.both.pem"), both.concat()).context("failed to join key and certificate")?;
        Ok(this)
    }

    /// The authority's certificate.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// The authority's key.
    #[must_use]
    pub fn authority_key(&self) -> PathBuf {
        self.path("ca.key")
    }

    /// The server's certificate.
    #[must_use]
    pub fn server(&self) -> PathBuf {
        self.path("server.pem")
    }

    /// The server's key.
    #[must_use]
    pub fn server_key(&self) -> PathBuf {
        self.path("server.key")
    }

    /// The server's key and certificate in one file, as Kafka wants them.
    #[must_use]
    pub fn server_key_and_certificate(&self) -> PathBuf {
        self.path("server.both.pem")
    }

    /// A client's certificate.
    #[must_use]
    pub fn client(&self) -> PathBuf {
        self.path("client.pem")
    }

    /// The client's key.
    #[must_use]
    pub fn client_key(&self) -> PathBuf {
        self.path("client.key")
    }

    /// Issues one more: for a server of other names, or a client of a group. `subject` is `/O=…/CN=…`, `extensions` are
    /// lines as openssl reads them.
    ///
    /// # Errors
    /// When openssl fails.
    pub fn issue(&self, name: &str, subject: &str, extensions: &str) -> Result<Issued> {
        let (key, request, certificate) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
        self.directory.write(&format!("{name}.ext"), extensions)?;
        self.openssl(&["req", "-newkey", "rsa:2048", "-nodes", "-subj", subject, "-keyout", &key, "-out", &request])?;
        let extensions = format!("{name}.ext");
        let authority = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1", "-sha256"];
        let files = ["x509", "-req", "-in", &request, "-out", &certificate, "-extfile", &extensions];
        self.openssl(&[&files[..], &authority[..]].concat())?;
        Ok(Issued { certificate: self.path(&certificate), key: self.path(&key) })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn openssl(&self, arguments: &[&str]) -> Result<()> {
        let output = Command::new(tools::program("openssl")?)
            .current_dir(self.directory.path() as &Path)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .context("failed to run openssl")?;
        ensure!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }
}
