-- The oldest version, by its newest migration, that works with this schema. A migration that takes something away
-- which an older version needs raises it; everything else leaves it as it is, so that going back one release needs
-- nothing of the database.
create table schema_compatibility (
    oldest bigint not null
);
insert into schema_compatibility (oldest) values (20261129000011);

-- One row for each node, written every second or so: a node that cannot write is not ready.
create table probes (
    node text not null,
    written_at timestamptz not null default clock_timestamp(),
    constraint probes_pkey primary key (node)
);
