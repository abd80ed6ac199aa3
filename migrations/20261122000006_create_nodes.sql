-- Which nodes hear Redis, so that one that does not can tell whether it is the only one. Worth
-- nothing after a crash, so it is not logged.
create unlogged table nodes (
    id text not null,
    hears boolean not null,
    seen_at timestamptz not null,
    constraint nodes_pkey primary key (id)
);
