"""Lines, their equipment and sensors."""
