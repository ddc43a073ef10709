"""What a track tells, for other tools: tables as CSV and Parquet, runs in MLflow and Weights & Biases."""
