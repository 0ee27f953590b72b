//! Debian's nginx serving one directory over TLS 1.3, from a prefix of its own.

use super::{local, wait_ready};
use crate::process::Server;
use anyhow::Result;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// A running nginx.
pub struct Nginx {
    server: Server,
    /// Its port.
    pub addr: SocketAddr,
}

impl Nginx {
    /// Serves `root`.
    pub async fn start(dir: &Path, port: u16, root: &Path, cert: &Path, key: &Path) -> Result<Self> {
        let dir = dir.join("nginx");
        std::fs::create_dir_all(&dir)?;
        let (at, root, cert, key) = (dir.display(), root.display(), cert.display(), key.display());
        let conf = format!(
            "user root;\nworker_processes auto;\ndaemon off;\npid {at}/pid;\nerror_log {at}/error.log;\n\
             events {{ worker_connections 1024; }}\nhttp {{\n  access_log {at}/access.log;\n  sendfile on;\n  \
             tcp_nopush on;\n  client_body_temp_path {at}/body;\n  proxy_temp_path {at}/proxy;\n  \
             fastcgi_temp_path {at}/fastcgi;\n  uwsgi_temp_path {at}/uwsgi;\n  scgi_temp_path {at}/scgi;\n  \
             server {{\n    listen 127.0.0.1:{port} ssl;\n    ssl_certificate {cert};\n    \
             ssl_certificate_key {key};\n    ssl_protocols TLSv1.3;\n    root {root};\n  }}\n}}\n"
        );
        let file = dir.join("nginx.conf");
        std::fs::write(&file, conf)?;
        let mut command = Command::new("/usr/sbin/nginx");
        let command = command.arg("-p").arg(&dir).arg("-e").arg(dir.join("error.log")).arg("-c").arg(&file);
        let server = Server::start(command, &dir.join("out.log"))?;
        wait_ready(local(port), false).await?;
        Ok(Self { server, addr: local(port) })
    }

    /// Ends it.
    pub fn stop(mut self) -> Result<()> {
        self.server.terminate()
    }
}
