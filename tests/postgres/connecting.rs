use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tieout::engines::{self, OpenOptions, Session};
use tieout::error::Error;

use crate::databases::Engine;
use crate::support::Dir;

/// The folder of the servers, which holds their certificates.
fn servers() -> PathBuf {
    PathBuf::from(std::env::var("TIEOUT_TEST_SERVERS").expect("start the servers: eval \"$(tests/servers start DIR)\""))
}

/// The server's URL with another host and user, and with parameters.
fn url(host: &str, user: &str, parameters: &str) -> String {
    let admin = Engine::Postgres.admin_url();
    let (_, address) = admin.rsplit_once('@').unwrap();
    format!("postgres://{user}@{}?{parameters}", address.replace("127.0.0.1", host))
}

fn connect(url: &str) -> Result<Box<dyn Session>, Error> {
    engines::open(url, &OpenOptions::default())
}

#[test]
fn tls_means_what_libpq_means() {
    let own = servers().join("ca.crt").display().to_string();
    let dir = Dir::new();
    let certificate = servers().join("client.crt").display().to_string();
    let admin = "postgres:tieout";
    for mode in ["disable", "allow", "prefer", "require"] {
        connect(&url("127.0.0.1", admin, &format!("sslmode={mode}"))).unwrap();
    }
    connect(&url("localhost", admin, &format!("sslmode=verify-full&sslrootcert={own}"))).unwrap();
    connect(&url("127.0.0.1", admin, &format!("sslmode=verify-ca&sslrootcert={own}"))).unwrap();
    let refused = |url: String, words: &str| {
        let error = connect(&url).err().unwrap_or_else(|| panic!("{words}: connected"));
        assert!(error.to_string().contains(words), "{words}: {error:?}");
        assert!(!format!("{error:?}").contains("tieout@") && !format!("{error:?}").contains(":tieout"), "{error:?}");
    };
    refused(url("127.0.0.1", admin, &format!("sslmode=verify-full&sslrootcert={own}")), "certificate");
    // A certificate that did not sign the server's: under require too, once a root certificate is named.
    for mode in ["verify-ca", "verify-full", "require"] {
        refused(url("localhost", admin, &format!("sslmode={mode}&sslrootcert={certificate}")), "invalid peer certificate");
    }
    refused(url("localhost", admin, "sslrootcert=system"), "invalid peer certificate");
    dir.write("none.crt", "");
    refused(
        url("localhost", admin, &format!("sslmode=verify-ca&sslrootcert={}", dir.path("none.crt").display())),
        "no certificate",
    );
}

#[test]
fn a_client_certificate_is_presented() {
    let dir = Dir::new();
    let admin = Engine::Postgres.admin_url();
    // Roles are the server's, not a database's; nobody drops this one.
    let mut client = postgres::Client::connect(&admin, postgres::NoTls).unwrap();
    client
        .batch_execute(
            "do $$ begin create role certified login; exception when duplicate_object or unique_violation then null; end $$",
        )
        .unwrap();
    dir.write("client.key", fs::read(servers().join("client.key")).unwrap());
    let key = dir.path("client.key");
    let parameters = format!("sslmode=require&sslcert={}&sslkey={}", servers().join("client.crt").display(), key.display());
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    connect(&url("127.0.0.1", "certified", &parameters)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let error = connect(&url("127.0.0.1", "certified", &parameters)).err().unwrap();
    assert!(error.to_string().contains("found mode 0644, expected 0600"), "{error:?}");
    assert!(connect(&url("127.0.0.1", "certified", "sslmode=require")).is_err());
}

#[test]
fn a_socket_and_the_environment_lead_to_the_server() {
    let dir = Dir::new();
    let admin = Engine::Postgres.admin_url();
    let port = admin.rsplit_once(':').unwrap().1.split('/').next().unwrap().to_string();
    let socket = servers().display().to_string().replace('/', "%2F");
    connect(&format!("postgres://postgres:tieout@{socket}:{port}/postgres?sslmode=verify-full")).unwrap();

    // The password from ~/.pgpass, the rest from a service; then both passed over, for others can read the password.
    dir.write(".pgpass", format!("127.0.0.1:{port}:*:postgres:tieout\n"));
    dir.write(".pg_service.conf", format!("[test]\nhost=127.0.0.1\nport={port}\nuser=postgres\ndbname=postgres\n"));
    let run = |mode: u32| {
        fs::set_permissions(dir.path(".pgpass"), fs::Permissions::from_mode(mode)).unwrap();
        let mut command = dir.command();
        command.env("HOME", dir.path("")).env_remove("PGPASSWORD");
        let output = command
            .args(["diff", "postgres:///?service=test", "postgres:///?service=test", "--out", "r", "--force"])
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (_, stderr) = run(0o600);
    assert!(!stderr.contains("password"), "{stderr}");
    let (code, stderr) = run(0o644);
    assert!(code == Some(2) && stderr.contains("found mode 0644, expected 0600"), "{stderr}");
}

#[test]
fn what_cannot_be_reached_is_one_clear_message() {
    let admin = Engine::Postgres.admin_url();
    for (location, words) in [
        ("postgres://u:s3cret@127.0.0.1:1/d".to_string(), "Connection refused"),
        (admin.replace(":tieout@", ":s3cret@"), "password authentication failed"),
        (format!("{}/no_such", admin.rsplit_once('/').unwrap().0), "does not exist"),
        (format!("{admin}?sslmod=require"), "sslmod"),
        ("postgres://u:s3cret@no-such-host.invalid/d".to_string(), "connect"),
    ] {
        let error = connect(&location).err().unwrap_or_else(|| panic!("{location}"));
        let said = format!("{error:?}");
        assert!(said.contains(words) && !said.contains("s3cret"), "{said}");
    }
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let location = format!("postgres://u@{}/d", listener.local_addr().unwrap());
    let options = OpenOptions { connect_timeout: std::time::Duration::from_millis(500), ..OpenOptions::default() };
    let error = engines::open(&location, &options).err().unwrap();
    assert!(error.to_string().contains("found no answer, expected one within 0.5 s"), "{error:?}");
}
