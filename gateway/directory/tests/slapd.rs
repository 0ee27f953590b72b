//! A real OpenLDAP server: right and wrong passwords, groups, pages, TLS, referrals; and the same server down and stuck.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Certified, Server, free_port};
use sealpost_directory::{Answer, Backend, Directory, Lookup, Person, Security, Trouble};
use sealpost_envelope::{EmailAddress, Secret};
use std::fmt::Write;
use std::process::Command;
use std::time::{Duration, Instant};

/// People beside those named: more than two pages.
const MANY: usize = 1100;

struct Slapd {
    certified: Certified,
    clear: u16,
    tls: u16,
    server: Server,
}

fn ldif() -> String {
    let mut text = String::from(
        "dn: dc=lilas,dc=test\nobjectClass: dcObject\nobjectClass: organization\no: Lilas\ndc: lilas\n\n\
         dn: ou=people,dc=lilas,dc=test\nobjectClass: organizationalUnit\nou: people\n\n\
         dn: ou=groups,dc=lilas,dc=test\nobjectClass: organizationalUnit\nou: groups\n\n\
         dn: ou=away,dc=lilas,dc=test\nobjectClass: referral\nobjectClass: extensibleObject\nou: away\n\
         ref: ldap://127.0.0.1:1/dc=lilas,dc=test\n\n",
    );
    let mut person = |uid: &str, mail: &str| {
        let _ = write!(
            text,
            "dn: uid={uid},ou=people,dc=lilas,dc=test\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: Docteur {uid}\n\
             sn: {uid}\nmail: {mail}\nuserPassword: secret-{uid}\n\n"
        );
    };
    person("anne", "anne@lilas.test");
    person("paul", "paul@lilas.test");
    person("twin1", "twins@lilas.test");
    person("twin2", "twins@lilas.test");
    (0..MANY).for_each(|n| person(&format!("p{n:04}"), &format!("p{n:04}@lilas.test")));
    text.push_str(
        "dn: cn=Auditeurs,ou=groups,dc=lilas,dc=test\nobjectClass: groupOfNames\ncn: Auditeurs\n\
         member: uid=anne,ou=people,dc=lilas,dc=test\n",
    );
    text
}

impl Slapd {
    fn start() -> Self {
        let certified = Certified::new();
        let (clear, tls) = (free_port(), free_port());
        let (dir, file) =
            (certified.dir.path().display().to_string(), |n: &str| certified.path(n).display().to_string());
        std::fs::create_dir(certified.path("db")).unwrap();
        std::fs::write(certified.path("people.ldif"), ldif()).unwrap();
        std::fs::write(
            certified.path("slapd.conf"),
            format!(
                "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
                 include /etc/ldap/schema/inetorgperson.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n\
                 pidfile {dir}/pid\nTLSCACertificateFile {dir}/ca.pem\nTLSCertificateFile {dir}/cert.pem\n\
                 TLSCertificateKeyFile {dir}/key.pem\nsizelimit size.soft=500 size.hard=500 size.prtotal=unlimited\n\
                 database mdb\nmaxsize 67108864\ndirectory {dir}/db\nsuffix dc=lilas,dc=test\n\
                 rootdn cn=root,dc=lilas,dc=test\nrootpw root-secret\nindex mail eq\nindex objectClass eq\ndbnosync\n\
                 access to attrs=userPassword by anonymous auth by * none\naccess to * by users read by * none\n"
            ),
        )
        .unwrap();
        let conf = file("slapd.conf");
        let added =
            Command::new("/usr/sbin/slapadd").args(["-q", "-f", &conf, "-l", &file("people.ldif")]).output();
        let added = added.expect("slapadd; see contrib/dev/install-deps.sh");
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        let urls = format!("ldap://127.0.0.1:{clear}/ ldaps://127.0.0.1:{tls}/");
        let server = Server::start(
            "/usr/sbin/slapd",
            &["-d", "0", "-f", &conf, "-h", &urls],
            tls,
            &certified.path("log"),
        );
        Self { certified, clear, tls, server }
    }
    fn directory(&self, security: Security, lookup: Lookup) -> Directory {
        let port = if security == Security::Tls { self.tls } else { self.clear };
        let own = ("uid=paul,ou=people,dc=lilas,dc=test".to_owned(), Secret::new("secret-paul".to_owned()));
        let directory = Directory {
            place: self.certified.place(port, security),
            own_login: Some(own),
            lookup,
            base: "dc=lilas,dc=test".into(),
            mail: "mail".into(),
            name: "cn".into(),
            groups: "memberOf".into(),
            group_filter: Some("(&(objectClass=groupOfNames)(member={dn}))".into()),
            people: "(objectClass=inetOrgPerson)".into(),
        };
        directory.check().unwrap();
        directory
    }
    fn backend(&self, security: Security, lookup: Lookup) -> Backend {
        backend(self.directory(security, lookup), common::PATIENCE)
    }
}

fn backend(directory: Directory, patience: Duration) -> Backend {
    Backend::directory("lilas", vec!["lilas.test".into()], directory, patience)
}

fn by_mail() -> Lookup {
    Lookup::Filter("(&(objectClass=inetOrgPerson)(mail={login}))".into())
}

async fn ask(backend: &Backend, login: &str, password: &str) -> Result<Answer, Trouble> {
    backend.judge(&EmailAddress::parse(login).unwrap(), &Secret::new(password.into())).await
}

fn anne() -> Answer {
    Answer::Right(Person {
        address: EmailAddress::parse("anne@lilas.test").unwrap(),
        name: Some("Docteur anne".into()),
        groups: vec!["cn=Auditeurs,ou=groups,dc=lilas,dc=test".into()],
    })
}

#[tokio::test]
async fn passwords_are_judged_in_every_way() {
    let slapd = Slapd::start();
    let template = || Lookup::Template("uid={local},ou=people,dc=lilas,dc=test".into());
    for security in [Security::Tls, Security::StartTls, Security::Loopback] {
        for lookup in [by_mail(), template()] {
            let backend = slapd.backend(security, lookup.clone());
            assert_eq!(
                ask(&backend, "anne@lilas.test", "secret-anne").await,
                Ok(anne()),
                "{security:?} {lookup:?}"
            );
            assert_eq!(ask(&backend, "anne@lilas.test", "secret-paul").await, Ok(Answer::Wrong));
        }
    }
    let backend = slapd.backend(Security::Tls, by_mail());
    for (login, password) in [
        // Unauthenticated and anonymous binds succeed in LDAP, and open nothing here.
        ("anne@lilas.test", ""),
        ("nobody@lilas.test", ""),
        ("nobody@lilas.test", "secret-anne"),
        ("twins@lilas.test", "secret-twin1"),
        ("anne@elsewhere.test", "secret-anne"),
        ("*@lilas.test", "secret-anne"),
        ("anne*@lilas.test", "secret-anne"),
        ("anne@lilas.test", "secret-anne\0"),
    ] {
        assert_eq!(ask(&backend, login, password).await, Ok(Answer::Wrong), "{login} {password:?}");
    }
    assert_eq!(ask(&backend, "ANNE@LILAS.test", "secret-anne").await.map(|a| a != Answer::Wrong), Ok(true));
    // A template finds the entry of uid=paul: the address says that it is not this login's.
    let other = slapd.backend(Security::Tls, Lookup::Template("uid=paul,ou=people,dc=lilas,dc=test".into()));
    assert_eq!(ask(&other, "anne@lilas.test", "secret-paul").await, Ok(Answer::Wrong));
}

#[tokio::test]
async fn everybody_comes_in_pages() {
    let slapd = Slapd::start();
    let backend = slapd.backend(Security::StartTls, by_mail());
    let (mut all, mut pages) = (Vec::new(), 0);
    let read = backend.people(async |people| {
        pages += 1;
        all.extend(people);
        Ok(())
    });
    read.await.unwrap();
    assert_eq!((all.len(), pages), (MANY + 4, 3));
    let Answer::Right(anne) = anne() else { unreachable!() };
    assert!(all.contains(&anne));
    assert!(all.iter().all(|p| p.groups.is_empty() || *p == anne));
}

#[tokio::test]
async fn what_is_wrong_is_said_and_costs_nobody_a_try() {
    let slapd = Slapd::start();
    let with = |change: &dyn Fn(&mut Directory)| {
        let mut directory = slapd.directory(Security::Tls, by_mail());
        change(&mut directory);
        backend(directory, common::PATIENCE)
    };
    let anne = ("anne@lilas.test", "secret-anne");
    // Our own login.
    let wrong = with(&|d| {
        d.own_login = Some(("uid=paul,ou=people,dc=lilas,dc=test".into(), Secret::new("x".into())))
    });
    assert_eq!(ask(&wrong, anne.0, anne.1).await, Err(Trouble::OurLogin));
    let nobody = with(&|d| d.own_login = None);
    assert_eq!(ask(&nobody, anne.0, anne.1).await, Err(Trouble::OurLogin));
    // Another server is not asked in its name.
    let away = with(&|d| d.base = "ou=away,dc=lilas,dc=test".into());
    assert_eq!(ask(&away, anne.0, anne.1).await, Err(Trouble::Referral));
    let missing = with(&|d| d.base = "ou=missing,dc=lilas,dc=test".into());
    assert!(matches!(ask(&missing, anne.0, anne.1).await, Err(Trouble::Refused(_))));
    // Another authority than the one that is trusted.
    let stranger = Certified::new();
    let foreign = with(&|d| d.place = stranger.place(slapd.tls, Security::Tls));
    assert!(matches!(ask(&foreign, anne.0, anne.1).await, Err(Trouble::Tls(_))));
    let foreign = with(&|d| d.place = stranger.place(slapd.clear, Security::StartTls));
    assert!(matches!(ask(&foreign, anne.0, anne.1).await, Err(Trouble::Tls(_))));
}

#[tokio::test]
async fn a_directory_that_is_stuck_or_down() {
    let slapd = Slapd::start();
    let patience = Duration::from_millis(700);
    let backend = backend(slapd.directory(Security::Tls, by_mail()), patience);
    let anne = ("anne@lilas.test", "secret-anne");
    slapd.server.signal("-STOP");
    let begun = Instant::now();
    assert_eq!(ask(&backend, anne.0, anne.1).await, Err(Trouble::Slow(patience)));
    assert!(begun.elapsed() >= patience);
    slapd.server.signal("-CONT");
    let whole = self::backend(slapd.directory(Security::Tls, by_mail()), common::PATIENCE);
    assert_eq!(ask(&whole, anne.0, anne.1).await, Ok(self::anne()));
    let place = slapd.certified.place(slapd.tls, Security::Tls);
    let mut directory = slapd.directory(Security::Tls, by_mail());
    drop(slapd);
    directory.place = place;
    let down = self::backend(directory, common::PATIENCE);
    assert!(matches!(ask(&down, anne.0, anne.1).await, Err(Trouble::Unreachable(_))));
}
