-- When each node last heard Redis. Whether it does now says too little: when Redis goes, the nodes
-- notice one after the other. `hears` is only still there for nodes of the release before.
alter table nodes
    add column heard_at timestamptz,
    alter column hears set default false;
