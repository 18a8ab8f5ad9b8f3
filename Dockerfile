# One image for Airflow and the pipeline, from the same lock as .venv.
FROM python:3.11.14-slim-bookworm

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PYTHONUNBUFFERED=1 \
    AIRFLOW_HOME=/opt/airflow \
    C360_HOME=/lake \
    C360_PROJECT_DIR=/opt/customer-360

# A fixed number, so that files on the volumes keep their owner from one image to the next.
# A new named volume takes the owner of the folder it is mounted on.
RUN groupadd --gid 50000 c360 \
    && useradd --uid 50000 --gid c360 --home-dir /opt/airflow --create-home --shell /usr/sbin/nologin c360 \
    && install -d -o c360 -g c360 -m 0750 /lake /logs

WORKDIR /opt/customer-360
COPY requirements.lock ./
RUN pip install --no-deps --require-hashes -r requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY pipelines ./pipelines
COPY dbt_project ./dbt_project
COPY expectations ./expectations
COPY dags ./dags
# setuptools is in the lock: building must not fetch another one.
RUN pip install --no-deps --no-build-isolation . && pip check

USER 50000:50000
CMD ["c360", "--help"]
