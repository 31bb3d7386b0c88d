//! What leads to a server: option files, sockets, the environment, certificates.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::{env, fs};

use tieout::engines;

use super::{open, servers};
use crate::databases::{Database, Engine};
use crate::support::Dir;

/// Where the throwaway servers keep their sockets and certificates.
fn folder() -> PathBuf {
    PathBuf::from(env::var("TIEOUT_TEST_SERVERS").expect("start the servers: eval \"$(tests/servers start DIR)\""))
}

/// Host and port of a server.
fn address(engine: Engine) -> (String, String) {
    let url = engine.admin_url();
    let host = url.rsplit_once('@').unwrap().1.split('/').next().unwrap();
    let (host, port) = host.split_once(':').unwrap();
    (host.to_string(), port.to_string())
}

/// The exit code and stderr of an audit of a table against itself, with these variables in the environment and
/// `~` in the folder.
fn audit(dir: &Dir, location: &str, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = dir.command();
    for name in ["MYSQL_PWD", "MYSQL_HOST", "MYSQL_TCP_PORT", "MYSQL_UNIX_PORT"] {
        command.env_remove(name);
    }
    command.env("HOME", dir.path("")).envs(variables.iter().copied());
    let output = command.args(["diff", location, location, "--out", "r", "--force"]).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn an_option_file_and_the_environment_say_what_the_url_leaves_out() {
    for engine in servers() {
        let dir = Dir::new();
        let database = Database::new(engine);
        database.run("create table t (id integer primary key)");
        database.run("insert into t values (1)");
        let (host, port) = address(engine);
        let name = &database.name;

        dir.write(
            ".my.cnf",
            format!("[mysqld]\npassword=wrong\n[client]\nuser = root\npassword='tieout'\nhost={host}\nport={port}\n"),
        );
        let mode = |mode| fs::set_permissions(dir.path(".my.cnf"), fs::Permissions::from_mode(mode)).unwrap();
        mode(0o600);
        let everything = format!("mysql:///{name}#t");
        let (code, stderr) = audit(&dir, &everything, &[]);
        assert_eq!(code, Some(0), "{engine:?}: {stderr}");
        // The URL's own word counts for more than the file's, and the file's for more than the environment's.
        let (code, stderr) = audit(&dir, &format!("mysql://root:wrong@{host}:{port}/{name}#t"), &[]);
        assert!(code == Some(2) && stderr.contains("root") && !stderr.contains("wrong"), "{engine:?}: {stderr}");
        let (code, stderr) = audit(&dir, &everything, &[("MYSQL_PWD", "wrong"), ("MYSQL_HOST", "no-such-host.invalid")]);
        assert_eq!(code, Some(0), "{engine:?}: {stderr}");
        // What anybody may write is not believed.
        mode(0o666);
        assert_eq!(audit(&dir, &everything, &[("MYSQL_HOST", &host), ("MYSQL_TCP_PORT", &port)]).0, Some(2), "{engine:?}");

        fs::remove_file(dir.path(".my.cnf")).unwrap();
        let (code, stderr) = audit(&dir, &format!("mysql://root@{host}:{port}/{name}#t"), &[("MYSQL_PWD", "tieout")]);
        assert_eq!(code, Some(0), "{engine:?}: {stderr}");
        assert_eq!(audit(&dir, &format!("mysql://root@{host}:{port}/{name}#t"), &[]).0, Some(2), "{engine:?}");
    }
}

#[test]
fn a_socket_leads_to_the_server() {
    let dir = Dir::new();
    let database = Database::new(Engine::Mariadb);
    database.run("create table t (id integer primary key)");
    let (socket, name) = (folder().join("my.sock"), &database.name);
    let socket = socket.to_str().unwrap();
    drop(open(&format!("mysql://root:tieout@localhost/{name}?socket={socket}")).unwrap());
    drop(open(&format!("mysql://root:tieout@{}/{name}", socket.replace('/', "%2F"))).unwrap());
    let (code, stderr) = audit(&dir, &format!("mysql://root:tieout@localhost/{name}#t"), &[("MYSQL_UNIX_PORT", socket)]);
    assert_eq!(code, Some(0), "{stderr}");
    dir.write(".my.cnf", format!("[client]\nsocket={socket}\n"));
    let (code, stderr) = audit(&dir, &format!("mysql://root:tieout@localhost/{name}#t"), &[]);
    assert_eq!(code, Some(0), "{stderr}");
}

#[test]
fn a_client_certificate_opens_the_door_that_needs_one() {
    let database = Database::new(Engine::Mariadb);
    let (name, (host, port)) = (&database.name, address(Engine::Mariadb));
    let account = format!("'x_{name}'@'127.0.0.1'");
    database.run(&format!("create user {account} identified by 'tieout' require x509"));
    database.run(&format!("grant select on {name}.* to {account}"));
    let url = format!("mysql://x_{name}:tieout@{host}:{port}/{name}?ssl-mode=REQUIRED");
    let file = |name: &str| folder().join(name).display().to_string();
    let bare = engines::open(&url, &Default::default()).err().map(|error| error.to_string());
    let certified = format!("{url}&ssl-cert={}&ssl-key={}", file("client.crt"), file("client.key"));
    let opened = open(&certified).map(drop).map_err(|error| format!("{error:?}"));
    database.run(&format!("drop user {account}"));
    assert!(bare.is_some_and(|error| error.contains("Access denied")));
    opened.unwrap();
}
