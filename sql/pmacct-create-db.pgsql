-- The database and the user that nfacctd writes as.  Change the password here and in
-- sql_passwd; drops nothing.  Then the tables: pmacct-create-table_vN.pgsql and flow_ledger.pgsql.
-- Run: psql -d postgres -v ON_ERROR_STOP=1 -f sql/pmacct-create-db.pgsql
CREATE DATABASE pmacct;
CREATE USER pmacct PASSWORD 'arealsmartpwd';
