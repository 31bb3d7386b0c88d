//! Databases as subjects.

use tieout::engines::{OpenOptions, open};

use super::tables::{TestTable, Ty};
use super::{Made, Subject};
use crate::databases::{Database, Engine};

/// A database engine; SQLite is one as well.
pub struct Server(pub Engine);

/// Connections of a session.
pub const CONNECTIONS: usize = 4;
/// Rows in one statement.
const INSERTED_AT_ONCE: usize = 400;

impl Subject for Server {
    fn name(&self) -> String {
        format!("{:?}", self.0)
    }

    fn holds(&self, table: &TestTable) -> bool {
        !(self.0.is_postgres() && table.has_nul())
    }

    fn make(&self, table: &TestTable) -> Made {
        let database = Database::new(self.0);
        if self.0.is_postgres() {
            // What the server has in store for sessions that trust it is not meant for this one.
            database.run("set search_path = public; set standard_conforming_strings = on; set datestyle = 'ISO, MDY'");
        }
        let column = |(place, (name, ty)): (usize, &(&str, Ty))| {
            let is_key = table.declared && place < table.key;
            format!("{name} {}{}", self.native(*ty, is_key), if is_key { " not null" } else { "" })
        };
        let columns: Vec<String> = table.columns.iter().enumerate().map(column).collect();
        let key: Vec<&str> = table.columns[..table.key].iter().map(|(name, _)| *name).collect();
        let (name, columns, key) = (table.name, columns.join(", "), key.join(", "));
        let primary = if table.declared { format!(", primary key ({key})") } else { String::new() };
        database.run(&format!("create table {name} ({columns}{primary})"));
        if !table.declared {
            database.run(&format!("create index by_key on {name} ({key})"));
        }
        for rows in table.rows.chunks(INSERTED_AT_ONCE) {
            let row = |row: &Vec<Option<String>>| {
                let cells: Vec<String> = row.iter().zip(&table.columns).map(|(cell, (_, ty))| self.literal(*ty, cell)).collect();
                format!("({})", cells.join(", "))
            };
            let rows: Vec<String> = rows.iter().map(row).collect();
            database.run(&format!("insert into {name} values {}", rows.join(", ")));
        }
        database.run(&if self.0.is_mysql() { format!("analyze table {name}") } else { format!("analyze {name}") });
        let session = open(&database.plain(), &OpenOptions { connections: CONNECTIONS, ..OpenOptions::default() });
        let session = session.unwrap_or_else(|error| panic!("{:?}: {error:?}", self.0));
        Made { session, _place: Box::new(database), has_keys: true, tells_order: true }
    }
}

impl Server {
    /// The engine's type; text in a declared key is told apart by its bytes, other text as the engine likes.
    fn native(&self, ty: Ty, is_key: bool) -> &'static str {
        let [postgres, mysql, sqlite] = match ty {
            Ty::Integer => ["bigint", "bigint", "INTEGER"],
            Ty::Decimal => ["numeric(20,4)", "decimal(20,4)", "DECIMAL(20,4)"],
            Ty::Double => ["double precision", "double", "DOUBLE"],
            Ty::Boolean => ["boolean", "boolean", "BOOLEAN"],
            Ty::Text if is_key => ["text", "varchar(200) character set utf8mb4 collate utf8mb4_bin", "TEXT"],
            Ty::Text => ["text", "varchar(200) character set utf8mb4", "TEXT"],
            Ty::Long => ["text", "longtext character set utf8mb4", "TEXT"],
            Ty::Bytes => ["bytea", "varbinary(200)", "BLOB"],
            Ty::Date => ["date", "date", "DATE"],
            Ty::Timestamp => ["timestamp(6)", "datetime(6)", "DATETIME"],
            Ty::Uuid if self.0 == Engine::Mysql => ["", "binary(16)", ""],
            Ty::Uuid => ["uuid", "uuid", "UUID"],
        };
        match self.0 {
            Engine::Sqlite => sqlite,
            engine if engine.is_mysql() => mysql,
            _ => postgres,
        }
    }

    fn literal(&self, ty: Ty, cell: &Option<String>) -> String {
        let Some(text) = cell else { return "NULL".to_string() };
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        match (ty, self.0) {
            (Ty::Integer | Ty::Decimal, _) => text.clone(),
            (Ty::Double, engine) if !engine.is_postgres() => text.clone(),
            (Ty::Boolean, engine) if engine.is_postgres() => format!("{}", text == "1"),
            (Ty::Boolean, _) => text.clone(),
            (Ty::Bytes, engine) if engine.is_postgres() => format!("decode('{text}', 'hex')"),
            (Ty::Bytes, _) => format!("x'{text}'"),
            (Ty::Text | Ty::Long, Engine::Sqlite) => format!("CAST(x'{hex}' AS TEXT)"),
            (Ty::Text | Ty::Long, engine) if engine.is_mysql() => format!("_utf8mb4 x'{hex}'"),
            (Ty::Uuid, Engine::Mysql) => format!("x'{}'", text.replace('-', "")),
            _ => format!("'{}'", text.replace('\'', "''")),
        }
    }
}
