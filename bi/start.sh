#!/bin/sh
# Brings Superset's own tables, its roles and our dashboard up to date, then serves.
set -eu
cd "$(dirname "$0")"
superset db upgrade
superset init
python prepare.py
exec gunicorn --bind 0.0.0.0:8088 --workers 1 --worker-class gthread --threads 8 \
    --timeout 120 'superset.app:create_app()'
