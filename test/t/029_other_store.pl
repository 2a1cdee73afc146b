# The tests of object stores, with another S3 that verifies signatures (s3rver).

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Cluster;
use Test::More;

BEGIN { $ENV{ETL_STORE} = 's3rver'; }
use ObjectStore;

plan skip_all => 's3rver is not installed' if !has_program('S3RVER');
defined(do "$FindBin::RealBin/027_object_store.pl") or die $@ || $!;
