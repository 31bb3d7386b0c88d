//! Databases for tests: each test makes its own, on a throwaway server or in a file, and drops it.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};

use mysql::prelude::Queryable;
use tempfile::TempDir;

/// The engines that tests run against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Postgres,
    Mariadb,
    Sqlite,
    /// PostgreSQL 18, if its URL is in the environment.
    Postgres18,
    /// MySQL 9, if its URL is in the environment.
    Mysql,
    /// MariaDB without a binary log; not among [`Engine::all`].
    Unlogged,
}

impl Engine {
    /// The engines that are there: always the first three.
    pub fn all() -> Vec<Engine> {
        let all = [Engine::Postgres, Engine::Mariadb, Engine::Sqlite, Engine::Postgres18, Engine::Mysql];
        all.into_iter().filter(|engine| !engine.is_optional() || engine.url().is_some()).collect()
    }

    fn is_optional(self) -> bool {
        matches!(self, Engine::Postgres18 | Engine::Mysql)
    }

    pub fn is_postgres(self) -> bool {
        matches!(self, Engine::Postgres | Engine::Postgres18)
    }

    pub fn is_mysql(self) -> bool {
        matches!(self, Engine::Mariadb | Engine::Mysql | Engine::Unlogged)
    }

    fn url(self) -> Option<String> {
        let name = match self {
            Engine::Postgres => "TIEOUT_TEST_PG_URL",
            Engine::Mariadb => "TIEOUT_TEST_MARIADB_URL",
            Engine::Postgres18 => "TIEOUT_TEST_PG18_URL",
            Engine::Mysql => "TIEOUT_TEST_MYSQL_URL",
            Engine::Unlogged => "TIEOUT_TEST_MARIADB_UNLOGGED_URL",
            Engine::Sqlite => return None,
        };
        std::env::var(name).ok().filter(|url| !url.is_empty())
    }

    /// The administrator's URL of the server.
    pub fn admin_url(self) -> String {
        self.url().unwrap_or_else(|| panic!("no {self:?} server; start the servers: eval \"$(tests/servers start DIR)\""))
    }
}

/// A connection to run statements over.
enum Client {
    Postgres(Box<postgres::Client>),
    Mysql(Box<mysql::Conn>),
    Sqlite(rusqlite::Connection),
}

/// A database of a test's own, dropped at its end.
pub struct Database {
    pub engine: Engine,
    pub name: String,
    /// The location without a table: a URL with the administrator's password, or `sqlite:PATH`.
    pub location: String,
    client: RefCell<Client>,
    _folder: Option<TempDir>,
}

/// A connection whose statements mean what they say, whatever the server's defaults.
fn connect_postgres(location: &str) -> Client {
    let mut client = postgres::Client::connect(location, postgres::NoTls).unwrap();
    let settings =
        "set search_path = public; set timezone = 'UTC'; set datestyle = 'ISO, MDY'; set standard_conforming_strings = on";
    client.batch_execute(settings).unwrap();
    Client::Postgres(Box::new(client))
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Database {
    pub fn new(engine: Engine) -> Database {
        let name = format!("t{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        if engine == Engine::Sqlite {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(format!("{name}.db"));
            let client = RefCell::new(Client::Sqlite(rusqlite::Connection::open(&path).unwrap()));
            return Database { engine, name, location: format!("sqlite:{}", path.display()), client, _folder: Some(folder) };
        }
        let admin = engine.admin_url();
        let location = format!("{}/{name}", admin.rsplit_once('/').unwrap().0);
        let client = if engine.is_postgres() {
            postgres::Client::connect(&admin, postgres::NoTls).unwrap().batch_execute(&format!("create database {name}")).unwrap();
            connect_postgres(&location)
        } else {
            let mut admin = mysql::Conn::new(mysql::Opts::from_url(&admin).unwrap()).unwrap();
            admin.query_drop(format!("create database {name}")).unwrap();
            let mut client = mysql::Conn::new(mysql::Opts::from_url(&location).unwrap()).unwrap();
            client.query_drop("set names utf8mb4, sql_mode = '', time_zone = '+00:00'").unwrap();
            Client::Mysql(Box::new(client))
        };
        Database { engine, name, location, client: RefCell::new(client), _folder: None }
    }

    /// Another connection to a database that somebody else drops.
    pub fn join(engine: Engine, location: &str) -> Database {
        let client = match engine {
            Engine::Sqlite => Client::Sqlite(rusqlite::Connection::open(location.trim_start_matches("sqlite:")).unwrap()),
            _ if engine.is_postgres() => connect_postgres(location),
            _ => Client::Mysql(Box::new(mysql::Conn::new(mysql::Opts::from_url(location).unwrap()).unwrap())),
        };
        Database { engine, name: String::new(), location: location.to_string(), client: RefCell::new(client), _folder: None }
    }

    /// Runs one statement.
    #[track_caller]
    pub fn run(&self, sql: &str) {
        let outcome = match &mut *self.client.borrow_mut() {
            Client::Postgres(client) => client.batch_execute(sql).map_err(|error| format!("{error:?}")),
            Client::Mysql(client) => client.query_drop(sql).map_err(|error| error.to_string()),
            Client::Sqlite(client) => client.execute_batch(sql).map_err(|error| error.to_string()),
        };
        if let Err(error) = outcome {
            panic!("{:?}: {error}\n{}", self.engine, sql.chars().take(2000).collect::<String>());
        }
    }

    /// The location on a line that is not encrypted, where a server would do so if it was asked nothing: MySQL's rows are read
    /// another way then.
    pub fn plain(&self) -> String {
        if self.engine.is_mysql() { format!("{}?ssl-mode=DISABLED", self.location) } else { self.location.clone() }
    }

    /// The location on a line that is encrypted, of MySQL.
    pub fn encrypted(&self) -> String {
        format!("{}?ssl-mode=REQUIRED", self.location)
    }

    /// The location of a table.
    pub fn table(&self, table: &str) -> String {
        format!("{}#{table}", self.location)
    }

    /// An identifier in the engine's quotes.
    pub fn quoted(&self, name: &str) -> String {
        let quote = if self.engine.is_mysql() { '`' } else { '"' };
        format!("{quote}{}{quote}", name.replace(quote, &format!("{quote}{quote}")))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.name.is_empty() {
            return;
        }
        match &mut *self.client.borrow_mut() {
            Client::Mysql(client) => drop(client.query_drop(format!("drop database {}", self.name))),
            Client::Postgres(_) => {
                let admin = postgres::Client::connect(&self.engine.admin_url(), postgres::NoTls);
                drop(admin.map(|mut admin| admin.batch_execute(&format!("drop database {} with (force)", self.name))));
            }
            Client::Sqlite(_) => {}
        }
    }
}
