//! A directory: OpenLDAP with a configuration of its own, on loopback.

use crate::tools::{must, wait_until};
use anyhow::{Context, Result, ensure};
use std::fmt::Write;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

/// A person in it.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Their `uid`; the address is `uid@sealpost.test`, the password `secret-uid`.
    pub uid: &'a str,
    /// Name shown to people.
    pub name: &'a str,
    /// Whether they are in the group `Auditeurs`.
    pub audits: bool,
}

/// A running directory; ended when dropped.
pub struct Slapd {
    dir: tempfile::TempDir,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    child: Option<Child>,
}

impl Slapd {
    /// With these people.
    pub fn start(people: &[Entry<'_>]) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut slapd = Self { dir: tempfile::tempdir()?, port, child: None };
        slapd.fill(people)?;
        Ok(slapd)
    }

    /// The section that names it, for the people of `sealpost.test`.
    pub fn section(&self) -> String {
        format!(
            "\n[[accounts.backend]]\nname = \"annuaire\"\nkind = \"ldap\"\nserver = \"127.0.0.1:{}\"\ntls = \"none\"\n\
             domains = [\"sealpost.test\"]\nbase = \"dc=test\"\nbind_dn = \"cn=root,dc=test\"\n\
             bind_password = \"root-secret\"\ntimeout = \"2 seconds\"\n\
             filter = \"(&(objectClass=inetOrgPerson)(mail={{login}}))\"\npeople = \"(objectClass=inetOrgPerson)\"\n\
             group_filter = \"(&(objectClass=groupOfNames)(member={{dn}}))\"\n",
            self.port
        )
    }

    /// Stops it, puts others in, and starts it again.
    pub fn fill(&mut self, people: &[Entry<'_>]) -> Result<()> {
        self.stop()?;
        let dir = self.dir.path();
        let (db, conf) = (dir.join("db"), dir.join("slapd.conf"));
        let _ = std::fs::remove_dir_all(&db);
        std::fs::create_dir(&db)?;
        let at = dir.display();
        std::fs::write(
            &conf,
            format!(
                "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
                 include /etc/ldap/schema/inetorgperson.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n\
                 pidfile {at}/pid\ndatabase mdb\nmaxsize 67108864\ndirectory {at}/db\nsuffix dc=test\n\
                 rootdn cn=root,dc=test\nrootpw root-secret\ndbnosync\n\
                 access to attrs=userPassword by anonymous auth by * none\naccess to * by users read by * none\n"
            ),
        )?;
        let mut ldif =
            String::from("dn: dc=test\nobjectClass: dcObject\nobjectClass: organization\no: T\ndc: test\n\n");
        let mut group = String::from(
            "dn: cn=Auditeurs,dc=test\nobjectClass: groupOfNames\ncn: Auditeurs\nmember: cn=root,dc=test\n",
        );
        for Entry { uid, name, audits } in people {
            write!(
                ldif,
                "dn: uid={uid},dc=test\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {name}\nsn: {uid}\n\
                 mail: {uid}@sealpost.test\nuserPassword: secret-{uid}\n\n"
            )?;
            if *audits {
                writeln!(group, "member: uid={uid},dc=test")?;
            }
        }
        let file = dir.join("people.ldif");
        std::fs::write(&file, ldif + &group)?;
        let (conf, file) = (conf.to_string_lossy().into_owned(), file.to_string_lossy().into_owned());
        must("/usr/sbin/slapadd", &["-q", "-f", &conf, "-l", &file])?;
        let url = format!("ldap://127.0.0.1:{}/", self.port);
        let log = std::fs::File::create(dir.join("log"))?;
        let mut command = Command::new("/usr/sbin/slapd");
        command.args(["-d", "0", "-f", &conf, "-h", &url]).stdin(Stdio::null());
        let child = command
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("slapd: see contrib/dev/install-deps.sh")?;
        self.child = Some(child);
        let port = self.port;
        wait_until("the directory answers", || Ok(TcpStream::connect(("127.0.0.1", port)).is_ok()))
    }

    /// Ends it; the port stays its own.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            let asked = Command::new("kill").args(["-TERM", &child.id().to_string()]).status()?;
            ensure!(asked.success(), "slapd has ended by itself");
            child.wait()?;
        }
        Ok(())
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}
